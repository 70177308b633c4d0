#include "tools/bench/simulation.hpp"

#include "tiers/policies/auto_policy.hpp"
#include "tools/bench/simulated_cache.hpp"

#include <chrono>

namespace terrace::bench {

simulation_result simulate(const trace& x, std::string_view policy,
                           std::uint64_t capacity) {
  simulated_cache cache{x, policy, capacity};
  simulation_result result;
  auto started = std::chrono::steady_clock::now();
  for (auto key : x.requests) {
    if (cache.request(key))
      continue;
    ++result.misses;
    cache.insert(key);
  }
  std::chrono::duration<double> time = std::chrono::steady_clock::now()
                                       - started;
  result.seconds = time.count();
  if (auto chosen = dynamic_cast<const auto_policy*>(&cache.policy())) {
    result.switches = chosen->switches();
    result.current = chosen->current();
    for (auto& y : chosen->candidates())
      result.candidates.push_back(
        {std::string{y.name},
         1 - static_cast<double>(y.hits) / static_cast<double>(y.requests)});
  }
  return result;
}

} // namespace terrace::bench
