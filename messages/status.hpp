/// What every actor answers to `status`, and the report the metrics aggregator
/// makes of it.
#pragma once

#include "messages/histogram.hpp"
#include "messages/record.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace terrace {

/// Named counters and gauges beyond the common ones. Names are snake_case and
/// end in their unit where they have one.
using counter_map = std::map<std::string, std::uint64_t>;

/// Figures of one tier (of one shard, or summed over shards). Counters run
/// since start or since the last reset: `hits + misses + errors = lookups`.
/// `skipped` counts look-ups that were not sent because the breaker was open;
/// they are no look-ups of the tier.
struct tier_status {
  tier_kind tier = tier_kind::none;
  std::string state = "up"; ///< up, degraded, down; redis adds half-open
  std::string reason;       ///< why it is not up, empty otherwise
  std::uint64_t lookups = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t errors = 0;
  std::uint64_t skipped = 0;
  std::uint64_t stores = 0;
  std::uint64_t store_errors = 0;
  std::uint64_t removes = 0;
  std::uint64_t evictions = 0;
  std::uint64_t expirations = 0;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t capacity_bytes = 0; ///< zero: no bound of its own
  counter_map extra;
  /// How old entries of L1 are or become, by what is measured, see
  /// memory_insight.hpp. Milliseconds stand where a histogram says nanoseconds.
  std::map<std::string, histogram> ages;
  histogram fetch_latency; ///< per batch of look-ups; L1: sampled single hits
  histogram store_latency; ///< per batch of writes

  /// Adds the figures of another shard of the same tier.
  void merge(const tier_status& x);

  friend bool operator==(const tier_status&, const tier_status&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tier_status& x) {
  return f(x.tier, x.state, x.reason, x.lookups, x.hits, x.misses, x.errors,
           x.skipped, x.stores, x.store_errors, x.removes, x.evictions,
           x.expirations, x.entries, x.bytes, x.capacity_bytes, x.extra, x.ages,
           x.fetch_latency, x.store_latency);
}

/// Figures of any actor that is not a tier.
struct actor_status {
  std::string name;
  counter_map counters;
  histogram latency;

  friend bool operator==(const actor_status&, const actor_status&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, actor_status& x) {
  return f(x.name, x.counters, x.latency);
}

/// Everything the node knows of itself at one moment. `tiers` holds one element
/// per tier of the chain, in order; `actors` one per actor. An actor that did
/// not answer in time is named in `silent`.
struct node_report {
  std::int64_t taken_ms = 0;   ///< Unix time
  std::int64_t started_ms = 0; ///< Unix time
  std::vector<tier_status> tiers;
  std::vector<actor_status> actors;
  std::vector<std::string> silent;
  /// Requests answered by the node: each counted once, however many tiers it
  /// took. `request_hits + request_misses + request_errors = requests`.
  std::uint64_t requests = 0;
  std::uint64_t request_hits = 0;
  std::uint64_t request_misses = 0;
  std::uint64_t request_errors = 0;

  friend bool operator==(const node_report&, const node_report&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, node_report& x) {
  return f(x.taken_ms, x.started_ms, x.tiers, x.actors, x.silent, x.requests,
           x.request_hits, x.request_misses, x.request_errors);
}

/// What an invalidation did: entries removed per tier, in the chain's order. A
/// tier that could not be reached is named in `pending`; it hides the entries
/// until it has caught up.
struct invalidation_report {
  counter_map removed;
  std::vector<std::string> pending;

  friend bool operator==(const invalidation_report&, const invalidation_report&)
    = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, invalidation_report& x) {
  return f(x.removed, x.pending);
}

} // namespace terrace
