#include "actors/invalidator.hpp"

#include "actors/log.hpp"

namespace terrace {

invalidator_actor::behavior_type
invalidator_state::make_behavior(std::vector<coordinator_actor> coordinators,
                                 std::vector<tier_handle> shared,
                                 std::shared_ptr<hybrid_clock> clock,
                                 now_fn now) {
  coordinators_ = std::move(coordinators);
  shared_ = std::move(shared);
  clock_ = std::move(clock);
  now_ = std::move(now);
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self_->set_exit_handler([this](caf::scheduled_actor*, caf::exit_msg& x) {
    stopping_ = x.reason;
    quit_if_idle();
  });
  return {
    [this](invalidate_atom, const selector& what, const std::string& reason) {
      log_of("invalidator").info("invalidate {}: {}", to_string(what), reason);
      return start(what, clock_->next(now_()), true);
    },
    [this](forget_atom, const selector& what, version_t up_to) {
      log_of("invalidator").info("forget {}", to_string(what));
      clock_->observe(up_to, now_());
      return start(what, up_to, false);
    },
    [this](status_atom) {
      actor_status result;
      result.name = name;
      result.counters = {{"invalidations", invalidations_},
                         {"forgotten", forgotten_},
                         {"removed_entries", removed_},
                         {"incomplete", incomplete_},
                         {"open", open_jobs_}};
      return result;
    },
    [this](reset_atom) {
      invalidations_ = forgotten_ = removed_ = incomplete_ = 0;
    },
  };
}

caf::result<invalidation_report> invalidator_state::start(const selector& what,
                                                          version_t up_to,
                                                          bool everywhere) {
  if (stopping_)
    return make_error(errc::shutting_down);
  ++(everywhere ? invalidations_ : forgotten_);
  ++open_jobs_;
  auto x = std::make_shared<job>();
  x->promise = self_->make_response_promise<invalidation_report>();
  x->what = what;
  x->up_to = up_to;
  x->everywhere = everywhere;
  x->open = coordinators_.size();
  auto purged = [this, x](std::uint64_t n) {
    x->report.removed[std::string{to_string(tier_kind::memory)}] += n;
    if (--x->open == 0)
      purge_shared(x);
  };
  for (auto& to : coordinators_)
    self_->request(to, caf::infinite, fence_atom_v, what, x->up_to, everywhere)
      .then(purged, [this, x](caf::error&) {
        if (--x->open == 0)
          purge_shared(x);
      });
  return x->promise;
}

void invalidator_state::purge_shared(const job_ptr& x) {
  x->open = 1; // held while sending
  for (auto& tier : shared_) {
    if (tier.kind == tier_kind::redis && !x->everywhere)
      continue;
    ++x->open;
    std::string tier_name{to_string(tier.kind)};
    self_->request(tier.actor, caf::infinite, purge_atom_v, x->what, x->up_to)
      .then(
        [this, x, tier_name](std::uint64_t n) {
          x->report.removed[tier_name] += n;
          finish(x);
        },
        [this, x, tier_name](caf::error& why) {
          log_of("invalidator")
            .warn("{} could not be purged of {}: {}", tier_name,
                  to_string(x->what), to_string(to_failure(why)));
          x->report.pending.push_back(tier_name);
          finish(x);
        });
  }
  finish(x);
}

void invalidator_state::finish(const job_ptr& x) {
  if (--x->open > 0)
    return;
  for (auto& to : coordinators_)
    caf::anon_send(to, unfence_atom_v, x->up_to);
  for (auto& [tier, n] : x->report.removed)
    removed_ += n;
  if (!x->report.pending.empty())
    ++incomplete_;
  x->promise.deliver(std::move(x->report));
  --open_jobs_;
  quit_if_idle();
}

void invalidator_state::quit_if_idle() {
  if (stopping_ && open_jobs_ == 0)
    self_->quit(stopping_);
}

invalidator_actor::behavior_type
invalidator(invalidator_actor::stateful_pointer<invalidator_state> self,
            std::vector<coordinator_actor> coordinators,
            std::vector<tier_handle> shared,
            std::shared_ptr<hybrid_clock> clock, now_fn now) {
  return self->state.make_behavior(std::move(coordinators), std::move(shared),
                                   std::move(clock), std::move(now));
}

} // namespace terrace
