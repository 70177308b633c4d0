/// What all in-process handles of a node share.
#pragma once

#include "actors/caller.hpp"
#include "actors/clock.hpp"
#include "config/options.hpp"
#include "messages/interfaces.hpp"
#include "tiers/memory_view.hpp"

#include <vector>

namespace terrace {

/// Outlives the node as long as somebody holds a handle; `callers` is closed
/// when the node stops, and then nothing here reaches an actor any more.
struct cache_core {
  explicit cache_core(caf::actor_system& sys) : system(&sys), callers(sys) {
    // nop
  }

  caf::actor_system* system;
  caller_pool callers;
  memory_view_ptr view;
  std::vector<coordinator_actor> coordinators;
  invalidator_actor invalidator;
  metrics_actor metrics;
  now_fn now;

  const coordinator_actor& coordinator_of(std::uint64_t hash) const {
    return coordinators[view->shard_of(hash)];
  }

  /// Ends all use of the actors: waits for calls that are under way, refuses
  /// further ones, and lets go of the handles.
  void close();
};

} // namespace terrace
