/// Watches the long-lived actors of a node.
///
/// None of them is restarted alone: coordinators, tiers and gateways hold each
/// other's handles and state that belongs together, and an actor that died has
/// lost some of it. The node as a whole is the unit of restart; it starts in
/// milliseconds with what disk and Redis hold.
#pragma once

#include <caf/all.hpp>

#include <functional>
#include <string>
#include <vector>

namespace terrace {

class supervisor_state {
public:
  static inline const char* name = "terrace.supervisor";

  explicit supervisor_state(caf::event_based_actor* self) : self_(self) {
    // nop
  }

  caf::behavior make_behavior(const std::vector<caf::actor>& watched,
                              std::function<void(std::string)> on_failure);

private:
  caf::event_based_actor* self_;                ///< the actor
  std::function<void(std::string)> on_failure_; ///< called once
};

/// Calls `on_failure` with a sentence when one of `watched` ends while the
/// supervisor lives. End the supervisor first at shutdown.
caf::behavior supervisor(caf::stateful_actor<supervisor_state>* self,
                         const std::vector<caf::actor>& watched,
                         std::function<void(std::string)> on_failure);

} // namespace terrace
