// The coordinator's get-or-load: who has the duty to load, and who waits.

#include "actors/coordinator.hpp"

namespace terrace {

namespace {

/// How often loads past their deadline are looked for, and leases looked after,
/// while there are any.
constexpr milliseconds tick_interval{20};

} // namespace

caf::result<claim> coordinator_state::make_claim(const std::string& key,
                                                 std::uint64_t load_ms) {
  if (stopping_)
    return make_error(errc::shutting_down);
  if (!is_qualified(key))
    return make_error(errc::invalid_argument, "unqualified key");
  ++counters_.fetched_keys;
  auto promise = self_->make_response_promise<claim>();
  look_for(key, {nullptr, 0, promise, load_ms});
  return promise;
}

void coordinator_state::look_for(const std::string& key, fetch_waiter to) {
  {
    auto pinned = setup_.view->pin();
    auto* node = setup_.view->peek(pinned, key, setup_.view->hash(key),
                                   setup_.now());
    if (node) {
      ++counters_.hits;
      to.claimant.deliver(
        claim{lookup::found(node->data(), tier_kind::memory), 0});
      return;
    }
  }
  auto [flight, fresh] = flights_.join(key, std::move(to));
  if (fresh)
    start_walk({key}, {flight});
  else
    ++counters_.coalesced;
}

void coordinator_state::load_or_wait(std::string_view key, load_waiter to) {
  if (stopping_) {
    to.promise.deliver(make_error(errc::shutting_down));
    return;
  }
  auto [flight, fresh] = loads_.join(key, std::move(to));
  if (!fresh) {
    ++counters_.load_waits;
    return;
  }
  // Who has the duty does not wait.
  auto& waiters = loads_.waiters(flight);
  auto leader = std::make_shared<load_waiter>(std::move(waiters.back()));
  waiters.pop_back();
  std::string name{key};
  if (!has_memory_) {
    ask_for_lease(flight, name, leader);
    return;
  }
  // What was loaded or written a moment ago may still be on its way into
  // memory: this question comes after it.
  ++open_checks_;
  auto id = flight;
  self_
    ->request(setup_.tiers.front().actor, caf::infinite, fetch_atom_v,
              keys{name})
    .then(
      [this, id, name, leader](const lookups& xs) {
        --open_checks_;
        if (!xs.empty() && xs.front().hit()) {
          leader->promise.deliver(claim{xs.front(), 0});
          end_load(id, xs.front());
        } else {
          ask_for_lease(id, name, leader);
        }
        quit_if_idle();
      },
      [this, id, name, leader](caf::error&) {
        --open_checks_;
        ask_for_lease(id, name, leader);
        quit_if_idle();
      });
}

void coordinator_state::end_load(single_flight<load_waiter>::id flight,
                                 const lookup& x) {
  for (auto& waiter : loads_.land(flight).waiters)
    waiter.promise.deliver(claim{x, 0});
}

void coordinator_state::give_duty(single_flight<load_waiter>::id flight,
                                  load_waiter& to, std::string lease) {
  if (stopping_) {
    give_lease_back(loads_.key(flight), lease);
    to.promise.deliver(make_error(errc::shutting_down));
    for (auto& waiter : loads_.land(flight).waiters)
      waiter.promise.deliver(make_error(errc::shutting_down));
    return;
  }
  ++counters_.loads;
  auto token = ++last_token_;
  auto now = setup_.now();
  duties_[token] = {flight, now + static_cast<std::int64_t>(to.load_ms),
                    std::chrono::steady_clock::now(), std::move(lease),
                    now + setup_.lease.count() / 3};
  to.promise.deliver(claim{lookup::missed(), token});
  tick_soon();
}

void coordinator_state::tick_soon() {
  if (std::exchange(ticking_, true))
    return;
  self_->delayed_anon_send(coordinator_actor{self_}, tick_interval,
                           tick_atom_v);
}

caf::result<mutation_result> coordinator_state::fulfil(std::uint64_t token,
                                                       mutation x) {
  if (stopping_)
    return make_error(errc::shutting_down);
  auto i = duties_.find(token);
  if (i == duties_.end())
    return make_error(errc::timeout, "the duty to load has passed on");
  auto flight = loads_.land(i->second.flight);
  auto cost_us = microseconds_since(i->second.since);
  auto lease = std::move(i->second.lease);
  duties_.erase(i);
  record loaded{x.value, setup_.clock->next(setup_.now()), x.expires_ms, x.tags,
                x.compress};
  for (auto& waiter : flight.waiters)
    waiter.promise.deliver(claim{lookup::found(loaded, tier_kind::none), 0});
  // The key is the one that was claimed, whatever the message says.
  x.what = mutation::op::put;
  x.key = flight.key;
  mutation_result refused;
  if (!flight.keep)
    ++counters_.not_kept;
  else
    refused.code = check(x);
  if (!flight.keep || refused.code != errc::none) {
    give_lease_back(flight.key, lease);
    return refused;
  }
  ++counters_.changes;
  ++open_applies_;
  auto request = std::make_shared<apply_request>();
  request->results.resize(1);
  auto promise = self_->make_response_promise<mutation_result>();
  request->single = promise;
  auto lock = locks_.find(x.key);
  if (lock != locks_.end()) {
    // Somebody is changing the key right now: that is newer than the load.
    ++counters_.not_kept;
  } else {
    change_group group;
    add(group, request, 0, std::move(x));
    for (auto& put : group.puts)
      put.cost_us = cost_us;
    send(group, request);
  }
  // Behind the value, on the same way.
  give_lease_back(flight.key, lease);
  acknowledge(request);
  return promise;
}

void coordinator_state::abandon(std::uint64_t token, const failure& why) {
  auto i = duties_.find(token);
  if (i == duties_.end())
    return;
  ++counters_.load_failures;
  auto flight = loads_.land(i->second.flight);
  give_lease_back(flight.key, i->second.lease);
  duties_.erase(i);
  for (auto& waiter : flight.waiters)
    waiter.promise.deliver(make_error(why));
}

void coordinator_state::check_duties() {
  auto now = setup_.now();
  std::vector<std::uint64_t> late;
  for (auto& [token, x] : duties_)
    if (x.deadline_ms <= now)
      late.push_back(token);
  for (auto token : late) {
    ++counters_.load_timeouts;
    auto& x = duties_.at(token);
    auto flight = loads_.land(x.flight);
    give_lease_back(flight.key, x.lease);
    duties_.erase(token);
    // The first of those who still wait gets the duty.
    for (auto& waiter : flight.waiters)
      load_or_wait(flight.key, std::move(waiter));
  }
  if (!duties_.empty())
    tick_soon();
}

} // namespace terrace
