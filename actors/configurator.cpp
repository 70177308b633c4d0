#include "actors/configurator.hpp"

#include "actors/log.hpp"
#include "config/memory_budget.hpp"
#include "config/options_access.hpp"

#include <memory>

namespace terrace {

namespace {

caf::error refused(std::string_view option, const std::string& why) {
  return make_error(errc::invalid_argument, std::string{option} + ": " + why);
}

} // namespace

memory_limits limits_of(const options& x) {
  auto memory = with_budget(x).memory;
  return {x.node.max_memory, memory.max_size, memory.max_entries,
          memory.policy};
}

configurator_actor::behavior_type
configurator_state::make_behavior(live_options_ptr live,
                                  std::vector<memory_tier_actor> memory) {
  live_ = std::move(live);
  memory_ = std::move(memory);
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  return {
    [this](configure_atom, const settings& xs) { return configure(xs); },
    [this](status_atom) {
      actor_status result;
      result.counters["changes"] = changes_;
      return result;
    },
    [this](reset_atom) { changes_ = 0; },
  };
}

caf::result<std::uint64_t> configurator_state::configure(const settings& xs) {
  auto fresh = *live_->get();
  for (auto& x : xs) {
    if (auto why = set_option(fresh, x.name, x.value))
      return refused(x.name, *why);
    if (!is_live_option(x.name))
      return refused(x.name, "cannot be changed while the node runs");
  }
  if (auto problems = validate(fresh); !problems.empty())
    return refused(problems[0].concerns[0], problems[0].text);
  for (auto& x : xs)
    log_of("node").info("{} is {} from now on", x.name, x.value);
  auto limits = limits_of(fresh);
  live_->set(std::move(fresh));
  ++changes_;
  auto n = static_cast<std::uint64_t>(xs.size());
  if (memory_.empty())
    return n;
  auto promise = self_->make_response_promise<std::uint64_t>();
  auto open = std::make_shared<std::size_t>(memory_.size());
  auto settle = [promise, open, n]() mutable {
    if (--*open == 0)
      promise.deliver(n);
  };
  for (auto& x : memory_)
    self_->request(x, caf::infinite, configure_atom_v, limits)
      .then([settle]() mutable { settle(); },
            // The shard is gone, and the node with it.
            [settle](caf::error&) mutable { settle(); });
  return promise;
}

configurator_actor::behavior_type
configurator(configurator_actor::stateful_pointer<configurator_state> self,
             live_options_ptr live, std::vector<memory_tier_actor> memory) {
  return self->state.make_behavior(std::move(live), std::move(memory));
}

} // namespace terrace
