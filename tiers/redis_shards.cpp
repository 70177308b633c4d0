#include "tiers/redis_shards.hpp"

#include <xxhash.h>

namespace terrace {

namespace {

/// The finalizer of SplitMix64: every bit of `x` concerns every bit of the
/// result.
std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

} // namespace

redis_shards::redis_shards(std::span<const std::string> labels) {
  for (auto& x : labels)
    seeds_.push_back(mix(XXH64(x.data(), x.size(), 0)));
}

std::size_t redis_shards::owner(std::string_view name) const noexcept {
  auto hash = XXH64(name.data(), name.size(), 0);
  std::size_t result = 0;
  std::uint64_t highest = 0;
  for (std::size_t i = 0; i < seeds_.size(); ++i)
    if (auto drawn = mix(hash ^ seeds_[i]); drawn >= highest) {
      highest = drawn;
      result = i;
    }
  return result;
}

} // namespace terrace
