#include "actors/tier_counters.hpp"

namespace terrace {

void tier_counters::count(const std::vector<lookup>& xs) noexcept {
  lookups += xs.size();
  for (auto& x : xs) {
    switch (x.what) {
      case lookup::outcome::hit:
        ++hits;
        break;
      case lookup::outcome::miss:
        ++misses;
        break;
      case lookup::outcome::error:
        ++errors;
        break;
    }
  }
}

void tier_counters::fill(tier_status& out) const {
  out.lookups = lookups;
  out.hits = hits;
  out.misses = misses;
  out.errors = errors;
  out.stores = stores;
  out.store_errors = store_errors;
  out.removes = removes;
  out.fetch_latency = fetch_latency.snapshot();
  out.store_latency = store_latency.snapshot();
}

void tier_counters::reset() noexcept {
  lookups = hits = misses = errors = stores = store_errors = removes = 0;
  fetch_latency.reset();
  store_latency.reset();
}

} // namespace terrace
