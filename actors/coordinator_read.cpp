// The coordinator's look-ups: single flight, the walk, promotion.

#include "actors/coordinator.hpp"

namespace terrace {

caf::result<lookups> coordinator_state::fetch(const keys& xs, bool counted) {
  if (stopping_)
    return make_error(errc::shutting_down);
  if (counted)
    counters_.fetched_keys += xs.size();
  auto request = std::make_shared<fetch_request>();
  request->results.resize(xs.size());
  request->counted = counted;
  keys missing;
  std::vector<single_flight<fetch_waiter>::id> started;
  {
    auto pinned = setup_.view->pin();
    auto now = setup_.now();
    for (std::size_t i = 0; i < xs.size(); ++i) {
      auto& key = xs[i];
      if (!is_qualified(key)) {
        if (counted)
          count(lookup::outcome::error);
        request->results[i] = lookup::failed(errc::invalid_argument);
        continue;
      }
      // It may have come into memory since the caller looked.
      auto* node = setup_.view->peek(pinned, key, setup_.view->hash(key), now);
      if (node) {
        if (counted)
          count(lookup::outcome::hit);
        request->results[i] = lookup::found(node->data(), tier_kind::memory);
        continue;
      }
      ++request->open;
      auto [flight, fresh] = flights_.join(key, {request, i, {}, 0});
      if (fresh) {
        missing.push_back(key);
        started.push_back(flight);
      } else {
        ++counters_.coalesced;
      }
    }
  }
  if (request->open == 0)
    return std::move(request->results);
  auto promise = self_->make_response_promise<lookups>();
  request->promise = promise;
  start_walk(std::move(missing), std::move(started));
  return promise;
}

void coordinator_state::start_walk(
  keys missing, std::vector<single_flight<fetch_waiter>::id> flights) {
  if (missing.empty())
    return;
  auto id = ++last_walk_;
  std::size_t first = has_memory_ ? 1 : 0;
  walks_.emplace(id,
                 walk{tier_walk{std::move(missing), first, setup_.tiers.size()},
                      std::move(flights), std::chrono::steady_clock::now()});
  advance(id);
}

void coordinator_state::advance(std::uint64_t id) {
  auto step = walks_.at(id).steps.next(
    [this](std::size_t tier, std::size_t n) { return usable(tier, n); });
  if (!step) {
    finish(id);
    return;
  }
  self_
    ->request(setup_.tiers[step->tier].actor, caf::infinite, fetch_atom_v,
              std::move(step->missing))
    .then(
      [this, id](lookups& xs) {
        walks_.at(id).steps.answer(std::move(xs));
        advance(id);
      },
      [this, id](caf::error& why) {
        walks_.at(id).steps.fail(to_failure(why).code);
        advance(id);
      });
}

void coordinator_state::count(lookup::outcome x) {
  switch (x) {
    case lookup::outcome::hit:
      ++counters_.hits;
      break;
    case lookup::outcome::miss:
      ++counters_.misses;
      break;
    case lookup::outcome::error:
      ++counters_.errors;
      break;
  }
}

bool coordinator_state::usable(std::size_t tier, std::size_t n) {
  auto& health = *setup_.tiers[tier].health;
  if (health.readable.load(std::memory_order_relaxed))
    return true;
  health.skipped.fetch_add(n, std::memory_order_relaxed);
  return false;
}

void coordinator_state::finish(std::uint64_t id) {
  auto node = walks_.extract(id);
  auto& [steps, flights, started] = node.mapped();
  auto now = setup_.now();
  auto& results = steps.results();
  std::vector<bool> keep(results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    auto& x = results[i];
    auto flight = flights_.land(flights[i]);
    if (x.hit()) {
      x.from = setup_.tiers[steps.found_in(i)].kind;
      setup_.clock->observe(x.data.version, now);
      if (fences_.hide(flight.key, x.data, x.from))
        x = lookup::missed();
      else if (flight.keep)
        keep[i] = true;
      else
        ++counters_.not_kept;
    }
    for (auto& waiter : flight.waiters)
      deliver(waiter, flight.key, x, flight.keep);
  }
  if (setup_.cache.promote)
    promote(steps, results, keep, microseconds_since(started));
  latency_.record(std::chrono::steady_clock::now() - started);
  fences_.collect(walks_.empty() ? last_walk_ + 1 : walks_.begin()->first);
  quit_if_idle();
}

void coordinator_state::promote(const tier_walk& steps,
                                const std::vector<lookup>& results,
                                const std::vector<bool>& keep,
                                std::uint32_t cost_us) {
  // Nobody waits for a promotion: anonymous messages, in order like all others.
  for (std::size_t tier = 0; tier < setup_.tiers.size(); ++tier) {
    auto& to = setup_.tiers[tier];
    entries xs;
    for (std::size_t i = 0; i < results.size(); ++i)
      if (keep[i] && steps.found_in(i) > tier
          && results[i].data.value.size() <= to.max_value_size)
        xs.push_back({steps.all_keys()[i], results[i].data, cost_us});
    if (xs.empty() || !to.health->readable.load(std::memory_order_relaxed))
      continue;
    counters_.promoted += xs.size();
    caf::anon_send(to.actor, promote_atom_v, entry_batch{std::move(xs)});
  }
}

void coordinator_state::deliver(fetch_waiter& to, std::string_view key,
                                const lookup& x, bool keep) {
  if (!to.request && !x.hit() && !keep) {
    // Somebody wrote the key meanwhile, perhaps who loaded it: look again
    // before loading it a second time.
    look_for(std::string{key}, std::move(to));
    return;
  }
  if (!to.request || to.request->counted)
    count(x.what);
  if (to.request) {
    to.request->results[to.index] = x;
    if (--to.request->open == 0)
      to.request->promise.deliver(std::move(to.request->results));
  } else if (x.hit()) {
    to.claimant.deliver(claim{x, 0});
  } else {
    load_or_wait(key, {std::move(to.claimant), to.load_ms});
  }
}

} // namespace terrace
