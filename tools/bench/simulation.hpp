/// A cache without contents: an eviction policy, run on a trace.
#pragma once

#include "tools/bench/trace.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::bench {

/// What a candidate of the "auto" policy would have done.
struct shadow_result {
  std::string name;
  double miss_ratio = 0;
};

struct simulation_result {
  std::uint64_t misses = 0;
  double seconds = 0;
  // Of the policy "auto" only:
  std::uint64_t switches = 0;
  std::string current;
  std::vector<shadow_result> candidates;
};

/// Sends all requests of `x` to a cache of `capacity`, in objects, or in bytes
/// if the trace has sizes. As in L1 an item comes in first and others leave
/// then; one larger than the cache does not come in. `policy` must be known.
simulation_result simulate(const trace& x, std::string_view policy,
                           std::uint64_t capacity);

/// Misses of a cache that knows the future (Belady's MIN: who is used latest
/// leaves). No policy can have fewer if all sizes are 1; with other sizes it is
/// a good bound, not a proof.
std::uint64_t least_misses(const trace& x, std::uint64_t capacity);

} // namespace terrace::bench
