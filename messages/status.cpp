#include "messages/status.hpp"

namespace terrace {

void tier_status::merge(const tier_status& x) {
  if (state == "up" && x.state != "up") {
    state = x.state;
    reason = x.reason;
  }
  lookups += x.lookups;
  hits += x.hits;
  misses += x.misses;
  errors += x.errors;
  skipped += x.skipped;
  stores += x.stores;
  store_errors += x.store_errors;
  removes += x.removes;
  evictions += x.evictions;
  expirations += x.expirations;
  entries += x.entries;
  bytes += x.bytes;
  capacity_bytes += x.capacity_bytes;
  for (auto& [name, value] : x.extra)
    extra[name] += value;
  for (auto& [name, age] : x.ages)
    ages[name].merge(age);
  fetch_latency.merge(x.fetch_latency);
  store_latency.merge(x.store_latency);
}

} // namespace terrace
