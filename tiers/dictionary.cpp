#include "tiers/dictionary.hpp"

#define ZSTD_STATIC_LINKING_ONLY
#define ZDICT_STATIC_LINKING_ONLY
#include <xxhash.h>
#include <zdict.h>
#include <zstd.h>

#include <cstring>
#include <limits>
#include <mutex>
#include <new>

namespace terrace {

namespace {

constexpr char magic = 0x44;
constexpr char format = 1;
constexpr std::size_t header_size = 12;
constexpr std::size_t checksum_offset = 4;

/// In front of what zstd reads: its magic number and the id, four bytes each.
constexpr std::size_t zstd_header_size = 8;
constexpr std::size_t zstd_id_offset = 4;

constexpr std::uint32_t first_id = 32'768;
constexpr std::uint32_t last_id = 0x7fffffff;

/// The id is not part of what it is made of.
std::uint32_t id_of(std::string_view content) noexcept {
  auto hash = XXH3_64bits(content.data() + zstd_header_size,
                          content.size() - zstd_header_size);
  return first_id + static_cast<std::uint32_t>(hash % (last_id - first_id + 1));
}

template <class T>
T load_as(const char* from) noexcept {
  T result;
  std::memcpy(&result, from, sizeof(T));
  return result;
}

template <class T>
void append(std::string& out, T x) {
  char buf[sizeof(T)];
  std::memcpy(buf, &x, sizeof(T));
  out.append(buf, sizeof(T));
}

failure no_memory() {
  return {errc::no_space, "no memory for a dictionary"};
}

} // namespace

/// What zstd makes of the bytes.
struct dictionary::prepared {
  std::once_flag compress_once;
  std::once_flag decompress_once;
  ZSTD_CDict* compress = nullptr;
  ZSTD_DDict* decompress = nullptr;

  ~prepared() {
    ZSTD_freeCDict(compress);
    ZSTD_freeDDict(decompress);
  }
};

// -- constructors -------------------------------------------------------------

dictionary::dictionary(std::string stored, std::string family, std::uint32_t id,
                       int level)
  : stored_(std::move(stored)),
    family_(std::move(family)),
    id_(id),
    level_(level),
    prepared_(std::make_unique<prepared>()) {
  // nop
}

dictionary::~dictionary() = default;

expected<dictionary_ptr> dictionary::make(std::string content,
                                          std::string family, int level) {
  std::string stored{magic, format};
  append(stored, static_cast<std::uint16_t>(family.size()));
  append(stored, std::uint64_t{0});
  stored += family;
  stored += content;
  auto sum = XXH3_64bits(stored.data() + header_size,
                         stored.size() - header_size);
  std::memcpy(stored.data() + checksum_offset, &sum, sizeof(sum));
  return load(stored, level);
}

expected<dictionary_ptr> dictionary::train(const dictionary_samples& from,
                                           std::string family, std::size_t size,
                                           int level) {
  try {
    std::string content(size, '\0');
    ZDICT_fastCover_params_t how{};
    // What ZDICT_trainFromBuffer chooses, with tables a fourth as large: on
    // JSON of 200 B to 4 KiB the dictionaries are as good.
    how.d = 8;
    how.steps = 4;
    how.f = 18;
    how.accel = 1;
    how.nbThreads = 1;
    how.zParams.compressionLevel = level;
    auto n = ZDICT_optimizeTrainFromBuffer_fastCover(
      content.data(), content.size(), from.bytes.data(), from.sizes.data(),
      static_cast<unsigned>(from.sizes.size()), &how);
    if (ZDICT_isError(n))
      return failure{errc::invalid_argument,
                     std::string{"zstd: "} + ZDICT_getErrorName(n)};
    content.resize(n);
    auto id = id_of(content);
    std::memcpy(content.data() + zstd_id_offset, &id, sizeof(id));
    return make(std::move(content), std::move(family), level);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

expected<dictionary_ptr> dictionary::load(std::string_view stored, int level) {
  auto corrupt = [](const char* why) { return failure{errc::corrupt, why}; };
  if (stored.size() < header_size || stored[0] != magic)
    return corrupt("not a dictionary");
  if (stored[1] != format)
    return failure{errc::unsupported_format, "dictionary of another format"};
  if (load_as<std::uint64_t>(stored.data() + checksum_offset)
      != XXH3_64bits(stored.data() + header_size, stored.size() - header_size))
    return corrupt("checksum of a dictionary differs");
  auto family_size = load_as<std::uint16_t>(stored.data() + 2);
  auto content = stored.substr(header_size);
  if (family_size > max_family_size
      || content.size() < family_size + zstd_header_size
      || content.size() - family_size > max_size)
    return corrupt("dictionary of a wrong size");
  auto family = content.substr(0, family_size);
  content.remove_prefix(family_size);
  auto id = ZDICT_getDictID(content.data(), content.size());
  if (id == 0 || id != id_of(content))
    return corrupt("number of a dictionary differs");
  try {
    dictionary_ptr result{
      new dictionary(std::string{stored}, std::string{family}, id, level)};
    // The checksum keeps accidents out; whoever means harm can compute it.
    if (!result->for_decompression())
      return corrupt("zstd does not take a dictionary");
    return result;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

// -- properties ---------------------------------------------------------------

std::string_view dictionary::content() const noexcept {
  return std::string_view{stored_}.substr(header_size + family_.size());
}

const ZSTD_CDict_s* dictionary::for_compression() const noexcept {
  auto& x = *prepared_;
  std::call_once(x.compress_once, [&] {
    auto bytes = content();
    auto how = ZSTD_getCParams(level_, 0, bytes.size());
    x.compress = ZSTD_createCDict_advanced(bytes.data(), bytes.size(),
                                           ZSTD_dlm_byRef, ZSTD_dct_fullDict,
                                           how, ZSTD_defaultCMem);
  });
  return x.compress;
}

const ZSTD_DDict_s* dictionary::for_decompression() const noexcept {
  auto& x = *prepared_;
  std::call_once(x.decompress_once, [&] {
    auto bytes = content();
    x.decompress = ZSTD_createDDict_advanced(bytes.data(), bytes.size(),
                                             ZSTD_dlm_byRef, ZSTD_dct_fullDict,
                                             ZSTD_defaultCMem);
  });
  return x.decompress;
}

} // namespace terrace
