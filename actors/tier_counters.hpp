/// The counters that every tier actor keeps, and how they become a status.
#pragma once

#include "messages/status.hpp"

namespace terrace {

/// Owned by one tier actor; not thread-safe, except for the recorders.
struct tier_counters {
  std::uint64_t lookups = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t errors = 0;
  std::uint64_t stores = 0;
  std::uint64_t store_errors = 0;
  std::uint64_t removes = 0;
  latency_recorder fetch_latency;
  latency_recorder store_latency;

  /// Counts each answer as exactly one of hit, miss, error.
  void count(const std::vector<lookup>& xs) noexcept;

  void count(const store_report& x) noexcept {
    stores += x.stored;
    store_errors += x.failed;
  }

  void fill(tier_status& out) const;

  void reset() noexcept;
};

} // namespace terrace
