#include "actors/coordinator.hpp"

namespace terrace {

coordinator_actor::behavior_type
coordinator_state::make_behavior(coordinator_setup setup) {
  setup_ = std::move(setup);
  has_memory_ = !setup_.tiers.empty()
                && setup_.tiers.front().kind == tier_kind::memory;
  for (auto& tier : setup_.tiers)
    if (tier.kind == tier_kind::redis)
      shared_at_ = static_cast<std::size_t>(&tier - setup_.tiers.data());
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self_->set_exit_handler(
    [this](caf::scheduled_actor*, caf::exit_msg& x) { shut_down(x.reason); });
  return {
    [this](fetch_atom, const keys& xs) { return fetch(xs, true); },
    [this](warm_atom, const keys& xs) { return fetch(xs, false); },
    [this](apply_atom, mutations& xs) { return apply(std::move(xs)); },
    [this](claim_atom, const std::string& key, std::uint64_t load_ms) {
      return make_claim(key, load_ms);
    },
    [this](fulfil_atom, std::uint64_t token, mutation& x) {
      return fulfil(token, std::move(x));
    },
    [this](abandon_atom, const std::string&, std::uint64_t token,
           const failure& why) { abandon(token, why); },
    [this](fence_atom, const selector& what, version_t up_to, bool everywhere) {
      return raise_fence(what, up_to, everywhere);
    },
    [this](unfence_atom, version_t up_to) { lower_fence(up_to); },
    [this](forget_atom, const removals& xs) { return forget(xs); },
    [this](status_atom) { return status(); },
    [this](reset_atom) {
      counters_ = counters{};
      latency_.reset();
    },
    [this](tick_atom) {
      ticking_ = false;
      check_duties();
      check_leases();
    },
  };
}

// -- invalidation -------------------------------------------------------------

caf::result<std::uint64_t> coordinator_state::raise_fence(const selector& what,
                                                          version_t up_to,
                                                          bool everywhere) {
  ++counters_.invalidations;
  fences_.raise(what, up_to, everywhere);
  // Tags of what is being looked up or loaded are not known yet: with a tag
  // every key of the tenant is suspect.
  auto suspect = what;
  if (what.what == selector::kind::tag)
    suspect.what = selector::kind::tenant;
  auto meant = [&](const std::string& key) { return suspect.matches(key, {}); };
  flights_.detach_if(meant);
  loads_.detach_if(meant);
  if (!has_memory_)
    return std::uint64_t{0};
  auto promise = self_->make_response_promise<std::uint64_t>();
  self_
    ->request(setup_.tiers.front().actor, caf::infinite, purge_atom_v, what,
              up_to)
    .then([promise](std::uint64_t n) mutable { promise.deliver(n); },
          [promise](caf::error& why) mutable { promise.deliver(why); });
  return promise;
}

void coordinator_state::lower_fence(version_t up_to) {
  fences_.lower(up_to, last_walk_);
  fences_.collect(walks_.empty() ? last_walk_ + 1 : walks_.begin()->first);
}

caf::result<std::uint64_t> coordinator_state::forget(const removals& xs) {
  counters_.forgotten += xs.size();
  auto now = setup_.now();
  for (auto& x : xs) {
    setup_.clock->observe(x.version, now);
    touch_key(x.key);
    look_again(x.key);
  }
  auto promise = self_->make_response_promise<std::uint64_t>();
  auto open = std::make_shared<std::size_t>(1);
  auto settle = [open, promise, n = xs.size()]() mutable {
    if (--*open == 0)
      promise.deliver(static_cast<std::uint64_t>(n));
  };
  for (auto& tier : setup_.tiers) {
    if (tier.kind == tier_kind::redis)
      continue;
    ++*open;
    self_->request(tier.actor, caf::infinite, remove_atom_v, xs)
      .then([settle](const remove_report&) mutable { settle(); },
            [settle](caf::error&) mutable { settle(); });
  }
  settle();
  return promise;
}

// -- life ---------------------------------------------------------------------

actor_status coordinator_state::status() const {
  actor_status result;
  result.name = name;
  result.counters = {
    {"fetched_keys", counters_.fetched_keys},
    {"hits", counters_.hits},
    {"misses", counters_.misses},
    {"errors", counters_.errors},
    {"coalesced", counters_.coalesced},
    {"promoted", counters_.promoted},
    {"not_kept", counters_.not_kept},
    {"changes", counters_.changes},
    {"locked_changes", counters_.locked},
    {"lost_swaps", counters_.lost_swaps},
    {"rejected_changes", counters_.rejected},
    {"loads", counters_.loads},
    {"load_waits", counters_.load_waits},
    {"load_failures", counters_.load_failures},
    {"load_timeouts", counters_.load_timeouts},
    {"lease_waits", counters_.lease_waits},
    {"invalidations", counters_.invalidations},
    {"forgotten", counters_.forgotten},
    {"open_walks", walks_.size()},
    {"open_applies", open_applies_},
    {"open_loads", duties_.size()},
  };
  result.latency = latency_.snapshot();
  return result;
}

void coordinator_state::shut_down(const caf::error& reason) {
  stopping_ = reason ? reason : caf::error{caf::exit_reason::user_shutdown};
  while (!duties_.empty())
    abandon(duties_.begin()->first, {errc::shutting_down, {}});
  while (!lease_waits_.empty()) {
    auto key = lease_waits_.begin()->first;
    look_again(key);
    lease_waits_.erase(key);
  }
  quit_if_idle();
}

void coordinator_state::quit_if_idle() {
  if (stopping_ && walks_.empty() && open_applies_ == 0 && open_checks_ == 0)
    self_->quit(stopping_);
}

coordinator_actor::behavior_type
coordinator(coordinator_actor::stateful_pointer<coordinator_state> self,
            coordinator_setup setup) {
  return self->state.make_behavior(std::move(setup));
}

} // namespace terrace
