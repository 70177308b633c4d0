#include "tiers/hot_keys.hpp"

#include "tiers/key_hash.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>
#include <system_error>

namespace terrace {

namespace {

static_assert(std::endian::native == std::endian::little,
              "the file is written as the machine holds its integers");

constexpr std::string_view magic = "TERRAHOT";
constexpr std::uint32_t format = 1;

/// Magic, format, 4 bytes of zero, time; then the checksum of these.
constexpr std::size_t header_size = 32;
constexpr std::size_t checksum_offset = 24;

/// Bytes and number of its keys, checksum.
constexpr std::size_t block_header_size = 16;
constexpr std::size_t block_size = 64u << 10;

/// Hotness, bytes, expiry and length; then the key.
constexpr std::size_t key_header_size = 18;

template <class T>
void append(std::string& out, T x) {
  out.append(reinterpret_cast<const char*>(&x), sizeof(T));
}

/// Takes an integer off the front, which must be there.
template <class T>
T take(std::string_view& in) noexcept {
  T result;
  std::memcpy(&result, in.data(), sizeof(T));
  in.remove_prefix(sizeof(T));
  return result;
}

/// Blocks cannot change places, nor say that they have another number of keys.
std::uint64_t checksum(std::string_view block, std::uint64_t number,
                       std::uint32_t count) noexcept {
  return key_hash(block, number << 32 | count);
}

void append_block(std::string& out, std::string_view block,
                  std::uint64_t number, std::uint32_t count) {
  append(out, static_cast<std::uint32_t>(block.size()));
  append(out, count);
  append(out, checksum(block, number, count));
  out += block;
}

/// False: the bytes do not say what they should.
bool read_block(std::string_view in, std::uint32_t count, hot_keys& out) {
  for (; count > 0; --count) {
    if (in.size() < key_header_size)
      return false;
    hot_key x;
    x.hotness = take<std::uint16_t>(in);
    x.bytes = take<std::uint32_t>(in);
    x.expires_ms = take<std::int64_t>(in);
    auto size = take<std::uint32_t>(in);
    if (size > in.size() || !is_qualified(in.substr(0, size)))
      return false;
    x.key = in.substr(0, size);
    in.remove_prefix(size);
    out.push_back(std::move(x));
  }
  return in.empty();
}

/// Reads blocks until the one that ends the file. Empty: all is well.
failure read_blocks(std::string_view in, hot_keys& out) {
  auto corrupt = [&](const char* why) {
    return failure{errc::corrupt,
                   why + (" after " + std::to_string(out.size())) + " keys"};
  };
  for (std::uint64_t number = 0;; ++number) {
    if (in.size() < block_header_size)
      return corrupt("it ends");
    auto size = take<std::uint32_t>(in);
    auto count = take<std::uint32_t>(in);
    auto sum = take<std::uint64_t>(in);
    if (size > in.size())
      return corrupt("it ends");
    auto block = in.substr(0, size);
    in.remove_prefix(size);
    auto known = out.size();
    if (sum != checksum(block, number, count))
      return corrupt("a block is damaged");
    if (size == 0 && count == 0)
      return in.empty() ? failure{} : corrupt("something follows");
    if (count > max_hot_keys - known)
      return corrupt("there are too many keys");
    if (!read_block(block, count, out)) {
      out.resize(known);
      return corrupt("a block is not understood");
    }
  }
}

failure system_failure(const std::string& path) {
  auto code = errno;
  auto kind = errc::io_failure;
  if (code == ENOSPC || code == EDQUOT)
    kind = errc::no_space;
  else if (code == EROFS)
    kind = errc::read_only;
  return {kind, path + ": " + std::generic_category().message(code)};
}

/// Closes it in the end.
struct file_handle {
  explicit file_handle(int x) noexcept : fd(x) {
    // nop
  }

  file_handle(const file_handle&) = delete;

  file_handle& operator=(const file_handle&) = delete;

  ~file_handle() {
    if (fd >= 0)
      ::close(fd);
  }

  int fd;
};

bool write_all(int fd, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno != EINTR)
      return false;
    if (n > 0)
      bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

} // namespace

// -- bytes --------------------------------------------------------------------

std::string encode_hot_keys(std::span<const hot_key> xs,
                            std::int64_t taken_ms) {
  std::string result{magic};
  append(result, format);
  append(result, std::uint32_t{0});
  append(result, taken_ms);
  append(result, key_hash(result, 0));
  std::string block;
  std::uint64_t number = 0;
  std::uint32_t count = 0;
  auto flush = [&] {
    if (count > 0)
      append_block(result, block, number++, count);
    block.clear();
    count = 0;
  };
  for (auto& x : xs.first(std::min(xs.size(), max_hot_keys))) {
    if (block.size() + kept_size(x) > block_size)
      flush();
    if (result.size() + block.size() + kept_size(x) + 2 * block_header_size
        > max_hot_keys_size)
      break;
    append(block, x.hotness);
    append(block, x.bytes);
    append(block, x.expires_ms);
    append(block, static_cast<std::uint32_t>(x.key.size()));
    block += x.key;
    ++count;
  }
  flush();
  append_block(result, {}, number, 0);
  return result;
}

expected<kept_keys> parse_hot_keys(std::string_view file) {
  if (file.size() < header_size || !file.starts_with(magic))
    return failure{errc::corrupt, "it is no list of keys"};
  auto in = file.substr(magic.size());
  auto version = take<std::uint32_t>(in);
  in.remove_prefix(sizeof(std::uint32_t));
  kept_keys result;
  result.taken_ms = take<std::int64_t>(in);
  if (version != format)
    return failure{errc::unsupported_format,
                   "it has format " + std::to_string(version)};
  if (take<std::uint64_t>(in) != key_hash(file.substr(0, checksum_offset), 0))
    return failure{errc::corrupt, "its header is damaged"};
  result.damage = read_blocks(in, result.found);
  return result;
}

// -- files --------------------------------------------------------------------

expected<void> write_hot_keys(const std::string& path,
                              std::span<const hot_key> xs,
                              std::int64_t taken_ms) try {
  auto folder = std::filesystem::path{path}.parent_path().string();
  if (folder.empty())
    folder = ".";
  std::error_code ignored; // then the file cannot be made
  std::filesystem::create_directories(folder, ignored);
  auto fresh = path + ".new";
  {
    file_handle out{
      ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    if (out.fd < 0)
      return system_failure(fresh);
    if (!write_all(out.fd, encode_hot_keys(xs, taken_ms))
        || ::fsync(out.fd) != 0) {
      auto why = system_failure(fresh);
      ::unlink(fresh.c_str());
      return why;
    }
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    auto why = system_failure(path);
    ::unlink(fresh.c_str());
    return why;
  }
  // The new name too is to survive.
  file_handle place{::open(folder.c_str(), O_RDONLY | O_CLOEXEC)};
  if (place.fd < 0 || ::fsync(place.fd) != 0)
    return system_failure(folder);
  return {};
} catch (const std::bad_alloc&) {
  return failure{errc::no_space, "no memory for a list of keys"};
}

expected<std::optional<kept_keys>> read_hot_keys(const std::string& path) try {
  file_handle in{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (in.fd < 0) {
    if (errno == ENOENT)
      return std::optional<kept_keys>{};
    return system_failure(path);
  }
  std::string bytes;
  // A byte more shows that it is longer than any of ours.
  for (;;) {
    constexpr std::size_t step = 1u << 20;
    auto old = bytes.size();
    bytes.resize(std::min(old + step, max_hot_keys_size + 1));
    auto n = ::read(in.fd, bytes.data() + old, bytes.size() - old);
    if (n < 0 && errno != EINTR)
      return system_failure(path);
    bytes.resize(old + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n == 0)
      break;
  }
  auto result = parse_hot_keys(bytes);
  if (!result)
    return failure{result.error().code, path + ": " + result.error().detail};
  return std::optional{*std::move(result)};
} catch (const std::bad_alloc&) {
  return failure{errc::no_space, "no memory for a list of keys"};
}

} // namespace terrace
