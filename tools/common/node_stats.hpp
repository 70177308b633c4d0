/// What a client reads from a node's /api/v1/cache/stats.
#pragma once

#include "messages/expected.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// Latencies in nanoseconds.
struct latency_figures {
  std::uint64_t count = 0;
  double avg = 0;
  double p50 = 0;
  double p95 = 0;
  double p99 = 0;
};

struct tier_figures {
  std::string tier;
  std::string state;
  std::string reason;
  std::uint64_t lookups = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t errors = 0;
  std::uint64_t skipped = 0;
  std::uint64_t stores = 0;
  std::uint64_t evictions = 0;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  latency_figures fetch;
  std::optional<double> compression_ratio;
};

struct node_stats {
  std::string version;
  std::string status;
  std::int64_t uptime_s = 0;
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t errors = 0;
  std::vector<tier_figures> tiers;
  /// Per actor, then per counter.
  std::map<std::string, std::map<std::string, std::uint64_t>> actors;
  std::vector<std::string> silent;
};

/// Fails with `protocol_violation` if `json` is not what a node answers.
expected<node_stats> parse_stats(std::string_view json);

} // namespace terrace
