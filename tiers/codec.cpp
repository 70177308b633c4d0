#include "tiers/codec.hpp"

// Makes the hash state a complete type, so that it can live on the stack.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>
#include <zstd.h>

#include <bit>
#include <cstring>
#include <limits>
#include <new>

namespace terrace {

namespace {

static_assert(std::endian::native == std::endian::little,
              "records are written as the machine holds its integers");

constexpr std::uint8_t magic = 0x54;
constexpr std::uint8_t format = 1;
constexpr std::uint16_t zstd_flag = 1;
constexpr std::uint16_t tags_flag = 2;
constexpr std::uint16_t plain_flag = 4;
constexpr std::uint16_t known_flags = zstd_flag | tags_flag | plain_flag;
constexpr std::size_t checksum_offset = 24;
constexpr std::size_t header_size = 32;

template <class T>
T load(const char* from) noexcept {
  T result;
  std::memcpy(&result, from, sizeof(T));
  return result;
}

template <class T>
void save(char* to, T x) noexcept {
  std::memcpy(to, &x, sizeof(T));
}

template <class T>
void append(std::string& out, T x) {
  char buf[sizeof(T)];
  save(buf, x);
  out.append(buf, sizeof(T));
}

/// Hashes in three steps, so that nothing has to be joined in memory first.
std::uint64_t checksum(std::string_view key, const char* header,
                       std::string_view payload) noexcept {
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, key.data(), key.size());
  XXH3_64bits_update(&state, header, checksum_offset);
  XXH3_64bits_update(&state, payload.data(), payload.size());
  return XXH3_64bits_digest(&state);
}

/// zstd contexts are expensive to make and not thread-safe: one per thread.
/// Both are null when memory is short.
struct zstd_contexts {
  ZSTD_CCtx* compress = ZSTD_createCCtx();
  ZSTD_DCtx* decompress = ZSTD_createDCtx();

  zstd_contexts() = default;

  zstd_contexts(const zstd_contexts&) = delete;

  zstd_contexts& operator=(const zstd_contexts&) = delete;

  ~zstd_contexts() {
    ZSTD_freeCCtx(compress);
    ZSTD_freeDCtx(decompress);
  }
};

zstd_contexts& contexts() noexcept {
  static thread_local zstd_contexts result;
  return result;
}

/// Appends the compressed form of `value` to `out` if it is at least a
/// sixteenth smaller. zstd gives up as soon as it runs out of that room, so an
/// incompressible value is cheap, and never expands `out` for long.
bool append_compressed(std::string& out, std::string_view value, int level) {
  auto* ctx = contexts().compress;
  if (!ctx)
    return false;
  auto room = value.size() - value.size() / 16 - 1;
  auto begin = out.size();
  out.resize(begin + room);
  auto n = ZSTD_compressCCtx(ctx, out.data() + begin, room, value.data(),
                             value.size(), level);
  if (ZSTD_isError(n)) {
    out.resize(begin);
    return false;
  }
  out.resize(begin + n);
  return true;
}

/// Cuts the tags off the front of `payload`. False: they do not fit into it.
bool read_tags(std::string_view& payload, std::vector<std::string>& out) {
  constexpr auto step = sizeof(std::uint16_t);
  if (payload.size() < step)
    return false;
  std::size_t count = load<std::uint16_t>(payload.data());
  payload.remove_prefix(step);
  if (count * step > payload.size())
    return false;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (payload.size() < step)
      return false;
    std::size_t size = load<std::uint16_t>(payload.data());
    payload.remove_prefix(step);
    if (payload.size() < size)
      return false;
    out.emplace_back(payload.substr(0, size));
    payload.remove_prefix(size);
  }
  return true;
}

/// Inflates `payload` to exactly `size` bytes.
expected<blob> inflate(std::string_view payload, std::size_t size) {
  if (ZSTD_getFrameContentSize(payload.data(), payload.size()) != size)
    return failure{errc::corrupt, "zstd: size differs from the header's"};
  auto* ctx = contexts().decompress;
  if (!ctx)
    return failure{errc::no_space, "zstd: no memory for a context"};
  std::size_t n = 0;
  auto result = blob::build(size, [&](char* out) {
    n = ZSTD_decompressDCtx(ctx, out, size, payload.data(), payload.size());
  });
  if (ZSTD_isError(n))
    return failure{errc::corrupt, std::string{"zstd: "} + ZSTD_getErrorName(n)};
  if (n != size)
    return failure{errc::corrupt, "zstd: value is shorter than announced"};
  return result;
}

expected<void> check_sizes(const record& x) {
  constexpr std::size_t u16_max = std::numeric_limits<std::uint16_t>::max();
  if (x.value.size() > std::numeric_limits<std::uint32_t>::max())
    return failure{errc::too_large, "value of 4 GiB or more"};
  if (x.tags.size() > u16_max)
    return failure{errc::too_large, "more than 65535 tags"};
  for (auto& tag : x.tags)
    if (tag.size() > u16_max)
      return failure{errc::too_large, "tag of 64 KiB or more"};
  return {};
}

} // namespace

codec::codec(const compression_options& opts) : opts_(opts) {
  // nop
}

expected<void> codec::encode(std::string_view key, const record& x,
                             std::string& out) const {
  if (auto ok = check_sizes(x); !ok)
    return ok;
  auto begin = out.size();
  try {
    auto value = x.value.view();
    std::uint16_t flags = x.compress ? 0 : plain_flag;
    out.append(header_size, '\0');
    if (!x.tags.empty()) {
      flags |= tags_flag;
      append(out, static_cast<std::uint16_t>(x.tags.size()));
      for (auto& tag : x.tags) {
        append(out, static_cast<std::uint16_t>(tag.size()));
        out += tag;
      }
    }
    auto payload_begin = out.size();
    if (opts_.enabled && x.compress && !value.empty()
        && value.size() >= opts_.threshold) {
      if (append_compressed(out, value, opts_.level)) {
        flags |= zstd_flag;
        counters_.compressed.fetch_add(1, std::memory_order_relaxed);
        counters_.raw_bytes.fetch_add(value.size(), std::memory_order_relaxed);
        counters_.compressed_bytes.fetch_add(out.size() - payload_begin,
                                             std::memory_order_relaxed);
      } else {
        counters_.incompressible.fetch_add(1, std::memory_order_relaxed);
      }
    }
    if ((flags & zstd_flag) == 0)
      out.append(value);
    auto* head = out.data() + begin;
    head[0] = static_cast<char>(magic);
    head[1] = static_cast<char>(format);
    save(head + 2, flags);
    save(head + 4, static_cast<std::uint32_t>(value.size()));
    save(head + 8, x.version);
    save(head + 16, x.expires_ms);
    std::string_view payload{head + header_size,
                             out.size() - begin - header_size};
    save(head + checksum_offset, checksum(key, head, payload));
    return {};
  } catch (const std::bad_alloc&) {
    out.resize(begin);
    return failure{errc::no_space, "no memory to encode a record"};
  }
}

expected<record> codec::decode(std::string_view key,
                               std::string_view bytes) const {
  auto corrupt = [this](std::string why) {
    counters_.corrupt.fetch_add(1, std::memory_order_relaxed);
    return failure{errc::corrupt, std::move(why)};
  };
  auto head = peek(bytes);
  if (!head) {
    if (head.error().code == errc::corrupt)
      return corrupt(head.error().detail);
    return head.error();
  }
  auto payload = bytes.substr(header_size);
  if (checksum(key, bytes.data(), payload)
      != load<std::uint64_t>(bytes.data() + checksum_offset))
    return corrupt("checksum differs");
  // From here on the bytes are what some encoder wrote; what follows guards
  // against one that is newer or was wrong.
  if ((load<std::uint16_t>(bytes.data() + 2) & ~known_flags) != 0)
    return failure{errc::unsupported_format, "record with unknown flags"};
  try {
    record result;
    result.version = head->version;
    result.expires_ms = head->expires_ms;
    result.compress = (load<std::uint16_t>(bytes.data() + 2) & plain_flag) == 0;
    if (head->tagged && !read_tags(payload, result.tags))
      return corrupt("tags exceed the record");
    if (head->compressed) {
      auto value = inflate(payload, head->value_size);
      if (!value && value.error().code == errc::corrupt)
        return corrupt(value.error().detail);
      if (!value)
        return value.error();
      result.value = std::move(*value);
    } else if (payload.size() == head->value_size) {
      result.value = blob::copy(payload);
    } else {
      return corrupt("size differs from the header's");
    }
    return result;
  } catch (const std::bad_alloc&) {
    return failure{errc::no_space, "no memory to decode a record"};
  }
}

expected<codec::header> codec::peek(std::string_view bytes) noexcept {
  // Details here fit a string without allocation: this function never throws.
  if (bytes.size() < header_size)
    return failure{errc::corrupt, "too short"};
  if (static_cast<std::uint8_t>(bytes[0]) != magic)
    return failure{errc::corrupt, "no magic byte"};
  if (static_cast<std::uint8_t>(bytes[1]) != format)
    return failure{errc::unsupported_format, "unknown format"};
  auto flags = load<std::uint16_t>(bytes.data() + 2);
  header result;
  result.value_size = load<std::uint32_t>(bytes.data() + 4);
  result.version = load<version_t>(bytes.data() + 8);
  result.expires_ms = load<std::int64_t>(bytes.data() + 16);
  result.compressed = (flags & zstd_flag) != 0;
  result.tagged = (flags & tags_flag) != 0;
  return result;
}

std::vector<std::string> codec::peek_tags(std::string_view bytes) {
  std::vector<std::string> result;
  auto head = peek(bytes);
  if (!head || !head->tagged)
    return result;
  auto payload = bytes.substr(header_size);
  if (!read_tags(payload, result))
    result.clear();
  return result;
}

std::size_t codec::head_size(std::string_view bytes) {
  auto head = peek(bytes);
  if (!head)
    return bytes.size();
  auto payload = bytes.substr(header_size);
  std::vector<std::string> tags;
  if (head->tagged && !read_tags(payload, tags))
    return bytes.size();
  return bytes.size() - payload.size();
}

codec::figures codec::stats() const noexcept {
  figures result;
  result.compressed = counters_.compressed.load(std::memory_order_relaxed);
  result.incompressible
    = counters_.incompressible.load(std::memory_order_relaxed);
  result.raw_bytes = counters_.raw_bytes.load(std::memory_order_relaxed);
  result.compressed_bytes
    = counters_.compressed_bytes.load(std::memory_order_relaxed);
  result.corrupt = counters_.corrupt.load(std::memory_order_relaxed);
  return result;
}

} // namespace terrace
