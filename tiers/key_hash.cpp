#include "tiers/key_hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace terrace {

std::uint64_t key_hash(std::string_view key, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

} // namespace terrace
