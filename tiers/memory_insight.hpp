/// What one shard of L1 learns from its own traffic: what more memory would
/// give, what was evicted too early, and how old entries become.
///
/// It follows some of the keys. Of their accesses it sees those that readers
/// remembered; how many there were of all keys it is told now and then.
/// Single-owner.
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
  /// `shards` share the effort for one cache.
  explicit memory_insight(std::size_t shards);

  // -- what it follows --------------------------------------------------------

  /// Last `sample_rank` of the keys whose hits it wants to know.
  std::uint64_t wanted_ranks() const noexcept;

  // -- events: a key by its hash, times in Unix milliseconds ------------------

  /// A reader found an entry that was written at `written_ms`. Of no use, and
  /// no harm, if the key is not among those wanted.
  void hit(std::uint64_t hash, std::uint32_t size, std::int64_t written_ms,
           std::int64_t now_ms);

  /// An entry came in that was not there: somebody missed it, and waited
  /// `cost_us` for it, 0 if that is not known.
  void loaded(std::uint64_t hash, std::uint32_t size, std::uint32_t cost_us,
              std::int64_t now_ms);

  /// An entry may be about to come in: a hint.
  void anticipate(std::uint64_t hash) const noexcept {
    regret_.prefetch(hash);
  }

  /// An entry was evicted.
  void evicted(std::uint64_t hash, std::int64_t written_ms,
               std::int64_t now_ms);

  /// An entry has ended otherwise: removed, replaced or expired.
  void ended(std::int64_t written_ms, std::int64_t now_ms);

  // -- maintenance ------------------------------------------------------------

  /// To be called now and then with the number of entries and of the hits, of
  /// all keys, that there ever were.
  void fit(std::size_t entries, std::uint64_t hits);

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
  ///     regret_cost_us    time that took those who waited for them
  ///
  /// and ages: at_hit, at_eviction, at_end, between_accesses; the first and the
  /// last of the followed keys only.
  void describe(std::uint64_t capacity_bytes, std::uint64_t gib_bytes,
                tier_status& out) const;

private:
  void access(std::uint64_t hash, std::uint32_t size, std::int64_t now_ms);

  std::size_t shards_;
  std::uint64_t regret_cost_us_ = 0;
  miss_ratio_curve curve_;
  eviction_regret regret_;
  entry_ages ages_;
  absl::flat_hash_map<std::uint64_t, std::int64_t> last_; ///< of sampled keys
  std::uint64_t hits_ = 0;                                ///< seen since `fit`
  std::uint64_t known_ = 0; ///< hits told to `fit`
};

} // namespace terrace
