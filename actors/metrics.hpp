/// The metrics aggregator: asks every actor for its figures and makes one
/// report.
#pragma once

#include "actors/clock.hpp"
#include "actors/tier_handle.hpp"
#include "messages/interfaces.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace terrace {

/// Who reports.
struct metrics_setup {
  /// One handle per tier actor, in the chain's order; memory has one per shard.
  std::vector<tier_handle> tiers;
  std::vector<coordinator_actor> coordinators;
  now_fn now;
};

/// Pulls: figures are collected when somebody asks, not kept. An actor that
/// does not answer within `patience` is named as silent and left out, so a
/// report arrives even when an actor is stuck. Requests that come while a
/// report is being made get the same report.
class metrics_state {
public:
  static inline const char* name = "terrace.metrics";

  /// How long an actor may take to answer.
  static constexpr std::chrono::milliseconds patience{500};

  explicit metrics_state(metrics_actor::pointer self) : self_(self) {
    // nop
  }

  metrics_actor::behavior_type make_behavior(metrics_setup setup);

private:
  struct collection {
    node_report report;
    std::map<tier_kind, tier_status> tiers;
    std::size_t open = 1;
  };

  using collection_ptr = std::shared_ptr<collection>;

  caf::result<node_report> report();

  void ask_tier(const collection_ptr& x, const tier_handle& tier);

  void ask_actor(const collection_ptr& x, const std::string& label,
                 const caf::actor& from);

  void settle(const collection_ptr& x);

  void reset();

  void shut_down(const caf::error& reason);

  metrics_actor::pointer self_; ///< the actor
  metrics_setup setup_;         ///< tiers and coordinators
  std::int64_t started_ms_ = 0; ///< Unix time of the start
  std::vector<std::pair<std::string, caf::actor>> joined_; ///< gateways etc.
  std::vector<caf::typed_response_promise<node_report>> waiting_;
};

metrics_actor::behavior_type
metrics(metrics_actor::stateful_pointer<metrics_state> self,
        metrics_setup setup);

} // namespace terrace
