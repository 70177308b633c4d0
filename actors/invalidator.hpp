/// The invalidation dispatcher: one selector in, purges of every tier out.
#pragma once

#include "actors/clock.hpp"
#include "actors/tier_handle.hpp"
#include "messages/interfaces.hpp"
#include "tiers/hybrid_clock.hpp"

#include <memory>
#include <string>
#include <vector>

namespace terrace {

/// An invalidation runs in three steps. All coordinators raise a fence and
/// purge their shard of memory; then the shared tiers are purged, all at once;
/// then the fences are lowered. The order matters: a look-up that begins after
/// the answer cannot find what was invalidated, neither in a tier nor through a
/// look-up that was on its way. Several invalidations may run at the same time.
class invalidator_state {
public:
  static inline const char* name = "terrace.invalidator";

  explicit invalidator_state(invalidator_actor::pointer self) : self_(self) {
    // nop
  }

  /// `shared` are the tiers of the chain without memory.
  invalidator_actor::behavior_type
  make_behavior(std::vector<coordinator_actor> coordinators,
                std::vector<tier_handle> shared,
                std::shared_ptr<hybrid_clock> clock, now_fn now);

private:
  struct job {
    caf::typed_response_promise<invalidation_report> promise;
    selector what;
    version_t up_to = 0;
    bool everywhere = true; ///< in Redis too, which other nodes share
    std::size_t open = 0;
    invalidation_report report;
  };

  using job_ptr = std::shared_ptr<job>;

  caf::result<invalidation_report> start(const selector& what, version_t up_to,
                                         bool everywhere);

  void purge_shared(const job_ptr& x);

  void finish(const job_ptr& x);

  void quit_if_idle();

  invalidator_actor::pointer self_;             ///< the actor
  std::vector<coordinator_actor> coordinators_; ///< one per shard
  std::vector<tier_handle> shared_;             ///< tiers below memory
  std::shared_ptr<hybrid_clock> clock_;         ///< source of versions
  now_fn now_;                                  ///< Unix milliseconds
  std::size_t open_jobs_ = 0;                   ///< not answered yet
  caf::error stopping_;                         ///< set while shutting down
  std::uint64_t invalidations_ = 0;             ///< since start or reset
  std::uint64_t forgotten_ = 0;                 ///< of other nodes, likewise
  std::uint64_t removed_ = 0;                   ///< entries, all tiers
  std::uint64_t incomplete_ = 0;                ///< some tier did not answer
};

invalidator_actor::behavior_type
invalidator(invalidator_actor::stateful_pointer<invalidator_state> self,
            std::vector<coordinator_actor> coordinators,
            std::vector<tier_handle> shared,
            std::shared_ptr<hybrid_clock> clock, now_fn now);

} // namespace terrace
