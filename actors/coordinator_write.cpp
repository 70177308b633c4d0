// The coordinator's changes: versions, groups, write-through. Those that depend
// on what is there are in coordinator_judge.cpp.

#include "actors/coordinator.hpp"

#include <algorithm>

namespace terrace {

namespace {

constexpr auto nobody = static_cast<std::size_t>(-1);

} // namespace

// -- requests -----------------------------------------------------------------

caf::result<mutation_results> coordinator_state::apply(mutations xs) {
  if (stopping_)
    return make_error(errc::shutting_down);
  counters_.changes += xs.size();
  ++open_applies_;
  auto request = std::make_shared<apply_request>();
  request->results.resize(xs.size());
  auto promise = self_->make_response_promise<mutation_results>();
  request->promise = promise;
  change_group group;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    auto& x = xs[i];
    if (auto code = check(x); code != errc::none) {
      ++counters_.rejected;
      request->results[i].code = code;
      continue;
    }
    auto lock = locks_.empty() ? locks_.end() : locks_.find(x.key);
    if (lock != locks_.end()) {
      ++counters_.locked;
      ++request->open;
      lock->second.push_back({std::move(x), request, i});
    } else if (x.is_plain()) {
      add(group, request, i, std::move(x));
    } else {
      // What it depends on must have been sent before it looks.
      send(group, request);
      ++counters_.locked;
      ++request->open;
      auto key = x.key;
      locks_[key].push_back({std::move(x), request, i});
      run_locked(key);
    }
  }
  send(group, request);
  acknowledge(request);
  return promise;
}

errc coordinator_state::check(const mutation& x) const {
  if (!is_qualified(x.key))
    return errc::invalid_argument;
  if (x.key.size() - tenant_prefix_size > setup_.cache.max_key_size
      || x.value.size() > setup_.cache.max_value_size)
    return errc::too_large;
  if (x.what == mutation::op::put && tiers_for(x) == 0)
    return errc::too_large;
  return errc::none;
}

tier_set coordinator_state::tiers_for(const mutation& x) const {
  tier_set result = 0;
  for (auto& tier : setup_.tiers)
    if ((x.tiers == 0 || (x.tiers & bit(tier.kind)) != 0)
        && x.value.size() <= tier.max_value_size)
      result = static_cast<tier_set>(result | bit(tier.kind));
  return result;
}

void coordinator_state::touch_key(std::string_view key) {
  flights_.detach(key);
  loads_.detach(key);
}

// -- groups -------------------------------------------------------------------

void coordinator_state::add(change_group& group, const apply_ptr& request,
                            std::size_t index, mutation x) {
  auto now = setup_.now();
  if (x.what == mutation::op::put && x.expires_ms == 0 && !x.keep_expiry
      && setup_.cache.default_ttl.count() > 0)
    x.expires_ms = now + setup_.cache.default_ttl.count();
  auto& result = request->results[index];
  result.version = setup_.clock->next(now);
  touch_key(x.key);
  const bool lives = x.what == mutation::op::put
                     && (x.expires_ms == 0 || x.expires_ms > now);
  if (lives) {
    // Puts are sent before erasures: an erasure must not meet the put that
    // followed it, or it would not see what was there before.
    if (!group.erasures.empty())
      send(group, request);
    result.applied = true;
    group.tiers.push_back(tiers_for(x));
    group.puts.push_back({std::move(x.key),
                          {std::move(x.value), result.version, x.expires_ms,
                           std::move(x.tags), x.compress}});
    group.put_at.push_back(index);
  } else {
    // A put that has expired already is an erasure that always applies.
    result.applied = x.what == mutation::op::put;
    group.erasures.push_back({std::move(x.key), result.version});
    group.erased_at.push_back(index);
  }
}

void coordinator_state::send(change_group& group, const apply_ptr& request,
                             std::string unlocks) {
  if (group.puts.empty() && group.erasures.empty())
    return;
  ++request->open;
  auto sent = std::make_shared<sent_group>();
  sent->request = request;
  sent->put_at = std::move(group.put_at);
  sent->unlocks = std::move(unlocks);
  sent->accepted = group.made_in.has_value();
  entry_batch shared;
  for (std::size_t tier = 0; tier < setup_.tiers.size(); ++tier) {
    if (group.made_in == tier)
      continue;
    if (!group.puts.empty())
      send_puts(group, tier, shared, sent);
    send_erasures(group, tier, sent);
  }
  group = change_group{};
  settle(sent);
}

void coordinator_state::send_puts(const change_group& group, std::size_t tier,
                                  entry_batch& shared, const sent_ptr& sent) {
  auto& to = setup_.tiers[tier];
  entry_batch batch;
  auto takes = [&](tier_set x) { return (x & bit(to.kind)) != 0; };
  if (std::all_of(group.tiers.begin(), group.tiers.end(), takes)) {
    // The usual case: one batch for all tiers.
    if (shared.get().empty())
      shared = entry_batch{group.puts};
    batch = shared;
  } else {
    entries xs;
    for (std::size_t i = 0; i < group.puts.size(); ++i)
      if (takes(group.tiers[i]))
        xs.push_back(group.puts[i]);
    if (xs.empty())
      return;
    batch = entry_batch{std::move(xs)};
  }
  if (!to.write_through) {
    sent->accepted = true;
    caf::anon_send(to.actor, store_atom_v, std::move(batch));
    return;
  }
  ++sent->open;
  self_->request(to.actor, caf::infinite, store_atom_v, std::move(batch))
    .then(
      [this, sent](store_report& x) {
        if (x.failed == 0)
          sent->accepted = true;
        else
          sent->why = std::move(x.why);
        settle(sent);
      },
      [this, sent](caf::error& why) {
        sent->why = to_failure(why);
        settle(sent);
      });
}

void coordinator_state::send_erasures(const change_group& group,
                                      std::size_t tier, const sent_ptr& sent) {
  auto& to = setup_.tiers[tier];
  removals xs;
  std::vector<std::size_t> owners;
  // A tier that does not take a put may still hold what the put replaces.
  for (std::size_t i = 0; i < group.puts.size(); ++i) {
    if ((group.tiers[i] & bit(to.kind)) == 0) {
      xs.push_back({group.puts[i].key, group.puts[i].data.version});
      owners.push_back(nobody);
    }
  }
  for (std::size_t i = 0; i < group.erasures.size(); ++i) {
    xs.push_back(group.erasures[i]);
    owners.push_back(group.erased_at[i]);
  }
  if (xs.empty())
    return;
  if (!to.write_through) {
    caf::anon_send(to.actor, remove_atom_v, std::move(xs));
    return;
  }
  ++sent->open;
  self_->request(to.actor, caf::infinite, remove_atom_v, std::move(xs))
    .then(
      [this, sent, owners = std::move(owners)](const remove_report& x) {
        auto n = std::min(owners.size(), x.existed.size());
        for (std::size_t i = 0; i < n; ++i) {
          if (x.existed[i] && owners[i] != nobody) {
            sent->request->results[owners[i]].had_old = true;
            sent->request->results[owners[i]].applied = true;
          }
        }
        settle(sent);
      },
      // A tier that cannot be reached hides the key until it has caught up.
      [this, sent](caf::error&) { settle(sent); });
}

void coordinator_state::settle(const sent_ptr& sent) {
  if (--sent->open > 0)
    return;
  if (!sent->accepted) {
    for (auto i : sent->put_at) {
      auto& x = sent->request->results[i];
      x.applied = false;
      x.code = sent->why.code == errc::none ? errc::unavailable
                                            : sent->why.code;
    }
  }
  if (!sent->unlocks.empty())
    unlock(sent->unlocks);
  acknowledge(sent->request);
}

void coordinator_state::acknowledge(const apply_ptr& request) {
  if (--request->open > 0)
    return;
  --open_applies_;
  if (request->single.pending())
    request->single.deliver(std::move(request->results.front()));
  else
    request->promise.deliver(std::move(request->results));
  quit_if_idle();
}

} // namespace terrace
