/// The readers' side of L1: all shards, readable from any thread, without a
/// lock and without a message.
#pragma once

#include "messages/histogram.hpp"
#include "tiers/memory_table.hpp"
#include "tiers/policies/shared_trials.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace terrace {

/// Shared by everyone who reads L1 and by the stores that write it. Outlives
/// the actors: whoever holds it may go on reading what was there last.
/// Thread-safe, except `table`, which is for the writer of that shard.
class memory_view {
public:
  // -- constructors -----------------------------------------------------------

  /// `shards` is a power of two. `seed` should differ from start to start: it
  /// keeps clients from choosing keys that collide.
  memory_view(std::size_t shards, std::size_t expected_entries,
              std::uint64_t seed);

  // -- keys -------------------------------------------------------------------

  /// Seeded XXH3-64 of a qualified key.
  std::uint64_t hash(std::string_view key) const noexcept {
    return key_hash(key, seed_);
  }

  std::size_t shards() const noexcept {
    return tables_.size();
  }

  /// Shard of a key, also the number of its coordinator.
  std::size_t shard_of(std::uint64_t hash) const noexcept {
    // Bits that neither choose the bucket nor serve as tag.
    return (hash >> 40) & (tables_.size() - 1);
  }

  // -- reading ----------------------------------------------------------------

  /// Needed around every look-up and as long as a found node is used.
  epoch_domain::guard pin() const {
    return epoch_domain::guard{*domain_};
  }

  /// The live node under `key`, or null; counted as a hit or a miss, and as an
  /// access for the eviction policy.
  const memory_node* find(const epoch_domain::guard& pinned,
                          std::string_view key, std::uint64_t hash,
                          std::int64_t now_ms) const;

  /// The same without any trace: no counter, no access.
  const memory_node* peek(const epoch_domain::guard&, std::string_view key,
                          std::uint64_t hash,
                          std::int64_t now_ms) const noexcept {
    auto* node = tables_[shard_of(hash)]->find(key, hash);
    return node && node->live(now_ms) ? node : nullptr;
  }

  void prefetch_bucket(std::uint64_t hash) const noexcept {
    tables_[shard_of(hash)]->prefetch_bucket(hash);
  }

  void prefetch_node(std::uint64_t hash) const noexcept {
    tables_[shard_of(hash)]->prefetch_node(hash);
  }

  // -- figures ----------------------------------------------------------------

  /// Hits and misses of all threads since construction.
  epoch_domain::totals totals() const {
    return domain_->sum();
  }

  /// Every 256th look-up of each thread, timed.
  const latency_recorder& sampled_latency() const noexcept {
    return latency_;
  }

  void reset_latency() noexcept {
    latency_.reset();
  }

  // -- the writer -------------------------------------------------------------

  memory_table& table(std::size_t shard) noexcept {
    return *tables_[shard];
  }

  /// What the eviction policies of the shards have in common.
  policy_group& policies() noexcept {
    return policies_;
  }

  /// Where a shard is with reading what readers remembered.
  using access_cursor = std::vector<std::uint64_t>;

  /// Calls `f(id)` for entries of a shard that were touched since the last call
  /// with this cursor, as far as the table wants it (`memory_table::reports`)
  /// and they are still remembered, and for the last `most` of each thread at
  /// most. They may have left the table since, but have not been freed if this
  /// is done before anything is (`memory_table::before_freeing`).
  template <class F>
  void
  drain(std::size_t shard, access_cursor& at, std::size_t most, F&& f) const {
    most = std::min(most, access_ring::size);
    domain_->each_slot([&](const reader_slot& x) {
      if (x.number >= at.size())
        at.resize(x.number + 1);
      auto& next = at[x.number];
      auto& ring = x.rings[shard];
      auto end = ring.count.load(std::memory_order_acquire);
      if (end - next > most)
        next = end - most;
      for (; next < end; ++next)
        f(ring.ids[next % access_ring::size].load(std::memory_order_relaxed));
    });
  }

private:
  std::uint64_t seed_;
  std::shared_ptr<epoch_domain> domain_;
  std::vector<std::unique_ptr<memory_table>> tables_;
  policy_group policies_;
  mutable latency_recorder latency_;
};

using memory_view_ptr = std::shared_ptr<memory_view>;

} // namespace terrace
