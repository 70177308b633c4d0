// The coordinator's changes that depend on what is there: locks of keys, and
// agreement with other nodes.

#include "actors/coordinator.hpp"

namespace terrace {

namespace {

/// Another node may be faster so often; then this one decides for itself.
constexpr unsigned most_lost = 64;

/// Whether an `expire` may replace the deadline `present` by `wanted`.
bool may_expire(mutation::condition when, std::int64_t present,
                std::int64_t wanted) {
  switch (when) {
    case mutation::condition::if_absent:
      return present == 0;
    case mutation::condition::if_present:
      return present != 0;
    case mutation::condition::if_later:
      return present != 0 && (wanted == 0 || wanted > present);
    case mutation::condition::if_earlier:
      return wanted != 0 && (present == 0 || wanted < present);
    default:
      return true;
  }
}

} // namespace

// -- looking ------------------------------------------------------------------

void coordinator_state::run_locked(const std::string& key) {
  auto& head = locks_.at(key).front();
  if (head.change.is_plain()) {
    change_group group;
    auto request = head.request;
    add(group, request, head.index, std::move(head.change));
    send(group, request, key);
  } else if (asks_shared(head)) {
    look(key);
  } else {
    probe(key, std::make_shared<probing>(
                 probing{{keys{key}, 0, setup_.tiers.size()}}));
  }
}

bool coordinator_state::asks_shared(const locked_change& x) {
  return setup_.shared && x.lost < most_lost && usable(shared_at_, 1);
}

void coordinator_state::look(const std::string& key) {
  auto go_on = [this, key](const lookup& found) {
    auto asked = found.what != lookup::outcome::error;
    if (found.hit())
      judge(key, found, sighting{found.data.version, 0});
    else if (asked && locks_.at(key).front().shared_only)
      judge(key, found, sighting{});
    else
      probe(key, std::make_shared<probing>(
                   probing{{keys{key}, 0, setup_.tiers.size()}, asked}));
  };
  self_->request(setup_.shared, caf::infinite, look_atom_v, key)
    .then([go_on](const lookup& found) { go_on(found); },
          [go_on](const caf::error&) {
            go_on(lookup::failed(errc::unavailable));
          });
}

void coordinator_state::probe(const std::string& key,
                              const std::shared_ptr<probing>& x) {
  auto step = x->steps.next([&](std::size_t tier, std::size_t n) {
    return !(x->shared_asked && tier == shared_at_) && usable(tier, n);
  });
  if (!step) {
    auto& found = x->steps.results().front();
    if (!x->shared_asked)
      judge(key, found, std::nullopt);
    else if (!found.hit() || found.data.expired(setup_.now())
             || fences_.hide(key, found.data, found.from))
      judge(key, found, sighting{});
    else if (found.data.value.size() > setup_.tiers[shared_at_].max_value_size)
      judge(key, found, sighting{0, found.data.version});
    else
      give_to_shared(key, found);
    return;
  }
  self_
    ->request(setup_.tiers[step->tier].actor, caf::infinite, fetch_atom_v,
              std::move(step->missing))
    .then(
      [this, key, x](lookups& xs) {
        x->steps.answer(std::move(xs));
        probe(key, x);
      },
      [this, key, x](caf::error& why) {
        x->steps.fail(to_failure(why).code);
        probe(key, x);
      });
}

void coordinator_state::give_to_shared(const std::string& key,
                                       const lookup& copy) {
  entry_batch batch{entries{{key, copy.data, 0}}};
  self_
    ->request(setup_.tiers[shared_at_].actor, caf::infinite, promote_atom_v,
              std::move(batch))
    .then(
      [this, key, copy](const store_report& x) {
        if (x.stored > 0) {
          judge(key, copy, sighting{copy.data.version, 0});
        } else if (x.failed > 0) {
          judge(key, copy, std::nullopt);
        } else {
          locks_.at(key).front().shared_only = true;
          run_locked(key);
        }
      },
      [this, key, copy](const caf::error&) { judge(key, copy, std::nullopt); });
}

// -- deciding -----------------------------------------------------------------

void coordinator_state::judge(const std::string& key, const lookup& present,
                              const std::optional<sighting>& seen) {
  // A tier that cannot be asked counts as not having the key: a cache that
  // keeps answering is worth more here than one that refuses.
  auto& head = locks_.at(key).front();
  auto request = head.request;
  auto index = head.index;
  auto x = head.change; // perhaps it is not the last time
  auto now = setup_.now();
  const bool there = present.hit() && !present.data.expired(now)
                     && !fences_.hide(key, present.data, present.from);
  if (present.hit())
    setup_.clock->observe(present.data.version, now);
  auto& result = request->results[index];
  result = {};
  result.had_old = there;
  if (there && x.want_old)
    result.old = present.data;
  bool apply = true;
  switch (x.what) {
    case mutation::op::put:
      if (x.when == mutation::condition::if_absent)
        apply = !there;
      else if (x.when == mutation::condition::if_present)
        apply = there;
      if (x.keep_expiry)
        x.expires_ms = there ? present.data.expires_ms : 0;
      break;
    case mutation::op::erase:
      apply = there;
      break;
    case mutation::op::expire:
      apply = there && may_expire(x.when, present.data.expires_ms, x.expires_ms)
              && (x.expires_ms != 0 || present.data.expires_ms != 0);
      if (apply) {
        x.what = mutation::op::put;
        x.keep_expiry = true; // the deadline given stands, no default
        x.value = present.data.value;
        x.tags = present.data.tags;
        x.compress = present.data.compress;
      }
      break;
  }
  if (!apply) {
    unlock(key);
    return;
  }
  change_group group;
  add(group, request, index, std::move(x));
  result.applied = true;
  if (seen)
    swap(key, std::move(group), *seen);
  else
    send(group, request, key);
}

void coordinator_state::swap(const std::string& key, change_group group,
                             const sighting& seen) {
  guarded_change x;
  x.seen = seen.there;
  x.elsewhere = seen.elsewhere;
  if (group.puts.empty()) {
    auto& gone = group.erasures.front();
    x.erases = true;
    x.change = {gone.key, {}, 0};
    x.change.data.version = gone.version;
  } else {
    x.change = group.puts.front();
    x.erases = (group.tiers.front() & bit(setup_.tiers[shared_at_].kind)) == 0;
  }
  auto rest = std::make_shared<change_group>(std::move(group));
  auto finish = [this, key, rest] {
    // Who looked meanwhile may have found what was before.
    touch_key(key);
    send(*rest, locks_.at(key).front().request, key);
  };
  self_->request(setup_.shared, caf::infinite, swap_atom_v, std::move(x))
    .then(
      [this, key, rest, finish, copied = seen.elsewhere != 0](bool made) {
        if (made) {
          rest->made_in = shared_at_;
          finish();
          return;
        }
        ++counters_.lost_swaps;
        auto& head = locks_.at(key).front();
        ++head.lost;
        head.shared_only = head.shared_only || copied;
        run_locked(key);
      },
      // Nobody knows whether it was made there: to send it again does no harm.
      [finish](const caf::error&) { finish(); });
}

void coordinator_state::unlock(const std::string& key) {
  // `key` may live in what is erased below.
  auto name = key;
  auto i = locks_.find(name);
  auto request = std::move(i->second.front().request);
  i->second.pop_front();
  if (i->second.empty())
    locks_.erase(i);
  else
    run_locked(name);
  acknowledge(request);
}

} // namespace terrace
