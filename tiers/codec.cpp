#include "tiers/codec.hpp"

#include "tiers/checksum.hpp"

#include "tiers/codec_zstd.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <limits>
#include <new>
#include <optional>

namespace terrace {

namespace {

static_assert(std::endian::native == std::endian::little,
              "records are written as the machine holds its integers");

constexpr std::uint8_t magic = 0x54;
constexpr std::uint8_t format = 1;
constexpr std::uint16_t zstd_flag = 1;
constexpr std::uint16_t tags_flag = 2;
constexpr std::uint16_t plain_flag = 4;
constexpr std::uint16_t dictionary_flag = 8;
constexpr std::uint16_t known_flags = zstd_flag | tags_flag | plain_flag
                                      | dictionary_flag;
constexpr std::size_t checksum_offset = 24;
constexpr std::size_t header_size = 32;
constexpr std::size_t dictionary_id_size = sizeof(std::uint32_t);

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

/// The checksum of a record, whose header begins at `header`.
std::uint64_t checksum_of(std::string_view key, const char* header,
                          std::string_view payload) noexcept {
  return checksum(key, {header, checksum_offset}, payload);
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

void add(std::atomic<std::uint64_t>& to, std::uint64_t x) noexcept {
  to.fetch_add(x, std::memory_order_relaxed);
}

/// Adds the time that it lives, for one of seventeen, seventeenfold: asking for
/// the time costs as much as a part of the work. Not sixteen, because a thread
/// that compresses and decompresses by turns would measure only one of them.
class stopwatch {
public:
  using clock = std::chrono::steady_clock;

  explicit stopwatch(std::atomic<std::uint64_t>& to) noexcept {
    static thread_local unsigned turn = 0;
    if (turn++ % one_of == 0) {
      to_ = &to;
      start_ = clock::now();
    }
  }

  stopwatch(const stopwatch&) = delete;

  stopwatch& operator=(const stopwatch&) = delete;

  ~stopwatch() {
    if (to_)
      add(*to_, one_of
                  * static_cast<std::uint64_t>(
                    std::chrono::nanoseconds(clock::now() - start_).count()));
  }

private:
  static constexpr unsigned one_of = 17;

  std::atomic<std::uint64_t>* to_ = nullptr; ///< null: not this one
  clock::time_point start_;
};

/// Of bytes that `peek` takes.
bool has_dictionary(std::string_view bytes) noexcept {
  return (load<std::uint16_t>(bytes.data() + 2) & dictionary_flag) != 0;
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

codec::codec(const compression_options& opts, dictionary_set_ptr dictionaries)
  : opts_(opts), set_(std::move(dictionaries)) {
  // nop
}

// -- encoding -----------------------------------------------------------------

expected<void> codec::encode(std::string_view key, const record& x,
                             std::string& out) const {
  if (auto ok = check_sizes(x); !ok)
    return ok;
  auto begin = out.size();
  try {
    out.append(header_size, '\0');
    auto flags = append_payload(key, x, out);
    auto* head = out.data() + begin;
    head[0] = static_cast<char>(magic);
    head[1] = static_cast<char>(format);
    save(head + 2, flags);
    save(head + 4, static_cast<std::uint32_t>(x.value.size()));
    save(head + 8, x.version);
    save(head + 16, x.expires_ms);
    std::string_view payload{head + header_size,
                             out.size() - begin - header_size};
    save(head + checksum_offset, checksum_of(key, head, payload));
    return {};
  } catch (const std::bad_alloc&) {
    out.resize(begin);
    return failure{errc::no_space, "no memory to encode a record"};
  }
}

std::uint16_t codec::append_payload(std::string_view key, const record& x,
                                    std::string& out) const {
  auto value = x.value.view();
  std::uint16_t flags = x.compress ? 0 : plain_flag;
  const bool may_compress = opts_.enabled && x.compress && !value.empty();
  const bool is_small = may_compress && set_ && opts_.dictionaries
                        && value.size() >= opts_.dictionary_min_size
                        && value.size() <= dictionary_traffic::largest_value;
  std::optional<dictionary_family> family;
  dictionary_ptr with;
  if (is_small)
    with = dictionary_for(family.emplace(key));
  auto id_at = out.size();
  if (with)
    append(out, with->id());
  if (!x.tags.empty()) {
    flags |= tags_flag;
    append(out, static_cast<std::uint16_t>(x.tags.size()));
    for (auto& tag : x.tags) {
      append(out, static_cast<std::uint16_t>(tag.size()));
      out += tag;
    }
  }
  auto value_at = out.size();
  if (with || (may_compress && value.size() >= opts_.threshold)) {
    if (append_compressed(value, with.get(), out))
      flags |= with ? zstd_flag | dictionary_flag : zstd_flag;
    else if (with)
      value_at -= dictionary_id_size;
  }
  if ((flags & zstd_flag) == 0) {
    if (with)
      out.erase(id_at, dictionary_id_size);
    out.append(value);
  }
  if (is_small)
    set_->seen(*family, value, with ? with->id() : 0,
               out.size() - value_at + (with ? dictionary_id_size : 0));
  return flags;
}

bool codec::append_compressed(std::string_view value, const dictionary* with,
                              std::string& out) const {
  auto begin = out.size();
  auto extra = with ? dictionary_id_size : 0;
  bool smaller = false;
  {
    stopwatch time{counters_.compress_ns};
    smaller = zstd_append(out, value, opts_.level, with, extra);
  }
  if (!smaller) {
    add(counters_.incompressible, 1);
    return false;
  }
  auto size = out.size() - begin + extra;
  add(counters_.compressed, 1);
  add(counters_.raw_bytes, value.size());
  add(counters_.compressed_bytes, size);
  if (with) {
    add(counters_.dictionary_compressed, 1);
    add(counters_.dictionary_raw_bytes, value.size());
    add(counters_.dictionary_compressed_bytes, size);
  }
  return true;
}

dictionary_ptr codec::dictionary_for(const dictionary_family& of) const {
  static const auto rest = dictionary_family::rest().hash();
  std::shared_lock lock{mutex_};
  auto i = adopted_.find(of.hash());
  if (i == adopted_.end())
    i = adopted_.find(rest);
  return i == adopted_.end() ? nullptr : i->second;
}

// -- decoding -----------------------------------------------------------------

expected<record> codec::decode(std::string_view key,
                               std::string_view bytes) const {
  auto corrupt = [this](std::string why) {
    add(counters_.corrupt, 1);
    return failure{errc::corrupt, std::move(why)};
  };
  auto head = peek(bytes);
  if (!head) {
    if (head.error().code == errc::corrupt)
      return corrupt(head.error().detail);
    return head.error();
  }
  auto payload = bytes.substr(header_size);
  if (checksum_of(key, bytes.data(), payload)
      != load<std::uint64_t>(bytes.data() + checksum_offset))
    return corrupt("checksum differs");
  // From here on the bytes are what some encoder wrote; what follows guards
  // against one that is newer or was wrong.
  auto flags = load<std::uint16_t>(bytes.data() + 2);
  if ((flags & ~known_flags) != 0)
    return failure{errc::unsupported_format, "record with unknown flags"};
  try {
    record result;
    result.version = head->version;
    result.expires_ms = head->expires_ms;
    result.compress = (flags & plain_flag) == 0;
    dictionary_ptr with;
    if ((flags & dictionary_flag) != 0) {
      auto id = dictionary_of(bytes);
      if (id == 0)
        return corrupt("dictionary exceeds the record");
      payload.remove_prefix(dictionary_id_size);
      with = set_ ? set_->find(id) : nullptr;
      if (!with) {
        add(counters_.dictionary_missing, 1);
        return failure{errc::unsupported_format,
                       "dictionary " + std::to_string(id) + " is not here"};
      }
    }
    if (head->tagged && !read_tags(payload, result.tags))
      return corrupt("tags exceed the record");
    if (head->compressed) {
      auto value = inflate(payload, head->value_size, with.get());
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

expected<blob> codec::inflate(std::string_view bytes, std::size_t size,
                              const dictionary* with) const {
  stopwatch time{counters_.decompress_ns};
  return zstd_inflate(bytes, size, with);
}

// -- looking at bytes ---------------------------------------------------------

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
  if (has_dictionary(bytes))
    payload.remove_prefix(std::min(payload.size(), dictionary_id_size));
  if (!read_tags(payload, result))
    result.clear();
  return result;
}

std::size_t codec::head_size(std::string_view bytes) {
  auto head = peek(bytes);
  if (!head)
    return bytes.size();
  auto payload = bytes.substr(header_size);
  if (has_dictionary(bytes))
    payload.remove_prefix(std::min(payload.size(), dictionary_id_size));
  std::vector<std::string> tags;
  if (head->tagged && !read_tags(payload, tags))
    return bytes.size();
  return bytes.size() - payload.size();
}

std::uint32_t codec::dictionary_of(std::string_view bytes) noexcept {
  if (bytes.size() < header_size + dictionary_id_size || !peek(bytes)
      || !has_dictionary(bytes))
    return 0;
  return load<std::uint32_t>(bytes.data() + header_size);
}

} // namespace terrace
