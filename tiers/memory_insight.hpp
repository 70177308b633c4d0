/// What one shard of L1 learns from its own traffic: what more memory would
/// give, what was evicted too early, and how old entries become.
///
/// It sees the accesses that readers remembered, not all of them: ratios hold
/// as far as those are like the others. Single-owner.
#pragma once

#include "messages/status.hpp"
#include "tiers/age_histogram.hpp"
#include "tiers/eviction_regret.hpp"
#include "tiers/miss_ratio_curve.hpp"

#include <absl/container/flat_hash_map.h>

#include <cstdint>

namespace terrace {

class memory_insight {
public:
  memory_insight();

  // -- events: a key by its hash, times in Unix milliseconds ------------------

  /// A reader found an entry that was written at `written_ms`.
  void hit(std::uint64_t hash, std::uint32_t size, std::int64_t written_ms,
           std::int64_t now_ms);

  /// An entry came in that was not there: somebody missed it.
  void loaded(std::uint64_t hash, std::uint32_t size, std::int64_t now_ms);

  /// An entry was evicted.
  void evicted(std::uint64_t hash, std::int64_t written_ms,
               std::int64_t now_ms);

  /// An entry has ended otherwise: removed, replaced or expired.
  void ended(std::int64_t written_ms, std::int64_t now_ms);

  // -- maintenance ------------------------------------------------------------

  /// To be called now and then with the number of entries.
  void fit(std::size_t entries);

  /// Memory taken, about.
  std::size_t bytes() const noexcept;

  // -- properties -------------------------------------------------------------

  /// Adds figures that may be summed over shards. `capacity_bytes` is this
  /// shard's bound and `gib_bytes` its share of one GiB:
  ///
  ///     curve_accesses, curve_hits_now, curve_hits_plus_1gib
  ///                       of so many accesses, hits at this bound and at one
  ///                       that is 1 GiB larger, as an LRU cache would have
  ///                       them
  ///     regrets           keys that came in again after they had been evicted
  ///     age_*_count, age_*_sum_ms
  ///                       at hits, at eviction, at the end, between two hits
  void describe(std::uint64_t capacity_bytes, std::uint64_t gib_bytes,
                counter_map& out) const;

private:
  void access(std::uint64_t hash, std::uint32_t size, std::int64_t now_ms);

  miss_ratio_curve curve_;
  eviction_regret regret_;
  entry_ages ages_;
  absl::flat_hash_map<std::uint64_t, std::int64_t> last_; ///< of sampled keys
};

} // namespace terrace
