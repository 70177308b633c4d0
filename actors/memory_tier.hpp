/// The memory tier: one actor per shard, the only writer of that shard of L1.
/// Look-ups on the hot path do not come here; they read the view.
#pragma once

#include "actors/clock.hpp"
#include "actors/tier_counters.hpp"
#include "messages/interfaces.hpp"
#include "tiers/memory_store.hpp"

#include <memory>

namespace terrace {

/// Handles messages in order. Gives memory back when the process comes near
/// what it may have (see tiers/memory_pressure.hpp), looking once a second.
/// Sweeps expired entries every `sweep_interval`, in steps of bounded work.
/// `fetch` answers from the table as it is after all writes that came before,
/// and is not counted: hits and misses are those of the view, reported by shard
/// 0 for all shards.
class memory_tier_state {
public:
  static inline const char* name = "terrace.memory";

  explicit memory_tier_state(memory_tier_actor::pointer self) : self_(self) {
    // nop
  }

  /// `max_process`: bytes that the whole process may take; 0: as many as the
  /// system gives.
  memory_tier_actor::behavior_type
  make_behavior(const memory_options& opts, std::uint64_t max_process,
                memory_view_ptr view, std::size_t shard, now_fn now);

private:
  lookups fetch(const keys& xs);

  store_report put(const entry_batch& xs, bool if_absent);

  remove_report remove(const removals& xs);

  caf::result<std::uint64_t> purge(const selector& what, version_t up_to);

  caf::result<key_page> list(const list_request& x);

  tier_status status();

  void sweep();

  void relieve();

  void reset();

  void configure(const memory_limits& x);

  memory_tier_actor::pointer self_;     ///< the actor
  memory_view_ptr view_;                ///< shared with all readers
  std::size_t shard_ = 0;               ///< number of this shard
  std::uint64_t max_process_ = 0;       ///< bytes; 0: no bound of its own
  std::unique_ptr<memory_store> store_; ///< the engine
  now_fn now_;                          ///< Unix milliseconds
  milliseconds sweep_interval_{0};      ///< pause between sweeps
  std::int64_t looked_ms_ = 0;          ///< when memory pressure was read
  bool shedding_ = false;               ///< memory is short
  tier_counters counters_;              ///< stores and removes
  epoch_domain::totals baseline_;       ///< view totals at the last reset
};

memory_tier_actor::behavior_type
memory_tier(memory_tier_actor::stateful_pointer<memory_tier_state> self,
            const memory_options& opts, std::uint64_t max_process,
            memory_view_ptr view, std::size_t shard, now_fn now);

} // namespace terrace
