/// L1 without the actors around it, for measurements.
#pragma once

#include "config/options.hpp"
#include "tiers/memory_store.hpp"

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace terrace::bench {

/// Figures of all shards together, each taken at one moment.
struct engine_figures {
  tier_status tier;
  std::uint64_t callbacks = 0; ///< of evictions
};

/// A view and its stores. Readers use the view as everywhere; writers take the
/// mutex of the key's shard, which stands in for the mailbox of the actor that
/// owns the store. Thread-safe.
class engine {
public:
  /// `shards` is a power of two.
  engine(const memory_options& opts, std::size_t shards);

  const memory_view& view() const noexcept {
    return *view_;
  }

  /// Stores a copy of `value` under a key whose first two bytes are its tenant.
  void put(std::string_view key, std::string_view value, std::int64_t now_ms);

  void erase(std::string_view key, std::int64_t now_ms);

  /// What the memory tiers do every `memory_options::sweep_interval`.
  void sweep(std::int64_t now_ms);

  engine_figures figures();

private:
  struct alignas(128) shard {
    std::mutex mutex;
    std::unique_ptr<memory_store> store;
    block borrowed{block::origin::heap}; ///< owns nothing
    entry scratch;
    version_t last = 0;
    std::uint64_t evicted = 0;
  };

  /// Tries for about a microsecond, gives way a few times, then sleeps: writers
  /// do not stay long.
  static std::unique_lock<std::mutex> enter(shard& x);

  shard& shard_of(std::string_view key) noexcept {
    return *shards_[view_->shard_of(view_->hash(key))];
  }

  memory_view_ptr view_;
  std::vector<std::unique_ptr<shard>> shards_;
};

} // namespace terrace::bench
