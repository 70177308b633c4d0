// The coordinator's part in loading a key once among nodes that share a Redis.
//
// Who leads a load takes the key's lease in Redis before it gets the duty. If
// another node has it, the load waits until that node announces the value, or
// until it is time to look: then everybody who waits starts over with a
// look-up, and takes the lease if there is still no value and no other holder.
// So a holder that dies costs the rest of its lease. Without Redis nobody
// waits.

#include "actors/coordinator.hpp"

#include <algorithm>

namespace terrace {

namespace {

/// Pauses between looks for another node's value, for when its announcement is
/// lost.
constexpr std::int64_t first_pause_ms = 20;
constexpr std::int64_t longest_pause_ms = 200;

} // namespace

void coordinator_state::ask_for_lease(single_flight<load_waiter>::id flight,
                                      const std::string& key,
                                      const std::shared_ptr<load_waiter>& to) {
  if (!setup_.leases || stopping_) {
    give_duty(flight, *to);
    return;
  }
  ++open_checks_;
  auto owner = setup_.name + ':' + std::to_string(++last_lease_);
  self_
    ->request(setup_.leases, caf::infinite, lease_atom_v, key, owner,
              static_cast<std::uint64_t>(setup_.lease.count()))
    .then(
      [this, flight, key, owner, to](std::uint64_t held_ms) {
        --open_checks_;
        if (held_ms == 0)
          look_once_more(flight, key, owner, to);
        else
          wait_for_lease(flight, key, *to);
        quit_if_idle();
      },
      // Without Redis each node is on its own.
      [this, flight, to](caf::error&) {
        --open_checks_;
        give_duty(flight, *to);
        quit_if_idle();
      });
}

void coordinator_state::look_once_more(single_flight<load_waiter>::id flight,
                                       const std::string& key,
                                       const std::string& owner,
                                       const std::shared_ptr<load_waiter>& to) {
  // Who had the lease before wrote the value before giving it back, perhaps
  // after this node had looked.
  auto redis = std::find_if(setup_.tiers.begin(), setup_.tiers.end(),
                            [](auto& x) { return x.kind == tier_kind::redis; });
  ++open_checks_;
  self_->request(redis->actor, caf::infinite, fetch_atom_v, keys{key})
    .then(
      [this, flight, key, owner, to](const lookups& xs) {
        --open_checks_;
        if (!xs.empty() && xs.front().hit()) {
          give_lease_back(key, owner);
          start_over(flight, *to);
        } else {
          give_duty(flight, *to, owner);
        }
        quit_if_idle();
      },
      [this, flight, owner, to](caf::error&) {
        --open_checks_;
        give_duty(flight, *to, owner);
        quit_if_idle();
      });
}

void coordinator_state::wait_for_lease(single_flight<load_waiter>::id flight,
                                       const std::string& key,
                                       load_waiter& to) {
  ++counters_.lease_waits;
  if (stopping_) {
    start_over(flight, to);
    return;
  }
  auto& x = lease_waits_[key];
  x.loads.emplace_back(flight, std::move(to));
  x.pause_ms = std::clamp(2 * x.pause_ms, first_pause_ms, longest_pause_ms);
  x.look_ms = setup_.now() + x.pause_ms;
  tick_soon();
}

void coordinator_state::look_again(const std::string& key) {
  auto i = lease_waits_.find(key);
  if (i == lease_waits_.end())
    return;
  auto loads = std::exchange(i->second.loads, {});
  for (auto& [flight, leader] : loads)
    start_over(flight, leader);
}

void coordinator_state::start_over(single_flight<load_waiter>::id flight,
                                   load_waiter& leader) {
  auto [key, waiters, keep] = loads_.land(flight);
  waiters.push_back(std::move(leader));
  for (auto& x : waiters)
    if (stopping_)
      x.promise.deliver(make_error(errc::shutting_down));
    else
      look_for(key, {nullptr, 0, std::move(x.promise), x.load_ms});
}

void coordinator_state::give_lease_back(const std::string& key,
                                        const std::string& owner) {
  if (!owner.empty())
    caf::anon_send(setup_.leases, release_atom_v, key, owner);
}

void coordinator_state::check_leases() {
  auto now = setup_.now();
  for (auto& [token, x] : duties_)
    if (!x.lease.empty() && x.prolong_ms <= now) {
      x.prolong_ms = now + setup_.lease.count() / 3;
      caf::anon_send(setup_.leases, lease_atom_v, loads_.key(x.flight), x.lease,
                     static_cast<std::uint64_t>(setup_.lease.count()));
    }
  keys due;
  std::erase_if(lease_waits_, [&](auto& x) {
    auto& wait = x.second;
    if (!wait.loads.empty() && wait.look_ms <= now)
      due.push_back(x.first);
    // One whose loads started over, and did not come back, is done.
    return wait.loads.empty() && wait.look_ms + longest_pause_ms < now;
  });
  for (auto& key : due)
    look_again(key);
  if (!lease_waits_.empty())
    tick_soon();
}

} // namespace terrace
