#include "actors/supervisor.hpp"

#include "actors/log.hpp"
#include "messages/types.hpp"

namespace terrace {

caf::behavior
supervisor_state::make_behavior(const std::vector<caf::actor>& watched,
                                std::function<void(std::string)> on_failure) {
  on_failure_ = std::move(on_failure);
  for (auto& x : watched)
    self_->monitor(x);
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self_->set_down_handler([this](caf::scheduled_actor*, caf::down_msg& x) {
    auto text = "an actor of the node died: "
                + self_->system().render(x.reason);
    log_of("node").critical(text);
    if (auto f = std::exchange(on_failure_, nullptr))
      f(std::move(text));
  });
  return {
    // An actor needs a clause to stay alive; this one is never used.
    [](stop_atom) {},
  };
}

caf::behavior supervisor(caf::stateful_actor<supervisor_state>* self,
                         const std::vector<caf::actor>& watched,
                         std::function<void(std::string)> on_failure) {
  return self->state.make_behavior(watched, std::move(on_failure));
}

} // namespace terrace
