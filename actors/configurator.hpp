/// Changes options while the node runs: for CONFIG SET and for SIGHUP.
#pragma once

#include "config/live_options.hpp"
#include "messages/interfaces.hpp"

#include <vector>

namespace terrace {

/// The memory tier's part of `x`.
memory_limits limits_of(const options& x);

/// Changes come into force in the order of their messages. A list is refused as
/// a whole, with `invalid_argument`, when an option is unknown, cannot be
/// changed while the node runs, or has a value that is not allowed. It is
/// answered when every shard of L1 has it.
class configurator_state {
public:
  static inline const char* name = "terrace.configurator";

  explicit configurator_state(configurator_actor::pointer self) : self_(self) {
    // nop
  }

  /// `memory`: the shards of L1, none if L1 is not used.
  configurator_actor::behavior_type
  make_behavior(live_options_ptr live, std::vector<memory_tier_actor> memory);

private:
  caf::result<std::uint64_t> configure(const settings& xs);

  configurator_actor::pointer self_;      ///< the actor
  live_options_ptr live_;                 ///< what is in force
  std::vector<memory_tier_actor> memory_; ///< one per shard
  std::uint64_t changes_ = 0;             ///< lists that were taken
};

configurator_actor::behavior_type
configurator(configurator_actor::stateful_pointer<configurator_state> self,
             live_options_ptr live, std::vector<memory_tier_actor> memory);

} // namespace terrace
