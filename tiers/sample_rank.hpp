/// Which keys are followed where following all of them costs too much.
#pragma once

#include <cstdint>
#include <limits>

namespace terrace {

/// Place of a key, by its hash, in an order that has nothing to do with what
/// else the hash decides, such as the shard. Who follows one key in n takes
/// those with a rank up to `all_ranks / n`: all accesses of a key or none
/// (spatial sampling; Waldspurger et al., "Efficient MRC Construction with
/// SHARDS", FAST 2015), and whoever follows fewer keys follows some of the
/// same. One to one.
constexpr std::uint64_t sample_rank(std::uint64_t hash) noexcept {
  return (hash ^ (hash >> 32)) * 0xD6E8FEB86659FD93u;
}

/// The last rank: who goes that far follows every key.
inline constexpr auto all_ranks = std::numeric_limits<std::uint64_t>::max();

} // namespace terrace
