#include "actors/keyspace.hpp"

#include <algorithm>

namespace terrace {

namespace {

std::uint64_t hash_of(const std::string& x) {
  return std::hash<std::string>{}(x);
}

} // namespace

keyspace_actor::behavior_type
keyspace_state::make_behavior(std::vector<tier_handle> tiers) {
  auto has = [&](tier_kind kind) {
    return std::any_of(tiers.begin(), tiers.end(),
                       [=](auto& x) { return x.kind == kind; });
  };
  auto take = [&](tier_kind kind) {
    for (auto& x : tiers)
      if (x.kind == kind)
        sources_.push_back(x);
  };
  if (has(tier_kind::disk))
    take(tier_kind::disk);
  else
    take(tier_kind::redis);
  take(tier_kind::memory);
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  return {
    [this](scan_atom, const scan_request& x) { return scan(x); },
    [this](list_atom, tenant_id tenant, const std::string& glob) {
      return list(tenant, glob);
    },
    [this](count_atom, tenant_id tenant) { return count(tenant); },
    [this](status_atom) {
      actor_status result;
      result.name = name;
      result.counters = {{"scans", scans_},
                         {"lists", lists_},
                         {"open_cursors", cursors_.size()},
                         {"forgotten_cursors", forgotten_}};
      return result;
    },
    [this](reset_atom) { scans_ = lists_ = forgotten_ = 0; },
  };
}

// -- SCAN ---------------------------------------------------------------------

caf::result<scan_page> keyspace_state::scan(const scan_request& x) {
  ++scans_;
  if (sources_.empty())
    return scan_page{};
  position at;
  if (x.cursor == 0) {
    at.seen = std::make_shared<hash_set>();
  } else {
    auto i = cursors_.find(x.cursor);
    if (i == cursors_.end())
      return make_error(errc::invalid_argument, "unknown cursor");
    at = i->second;
    // The cursor in hand stays valid, so that a client may repeat the step; the
    // one before it has served.
    cursors_.erase(std::exchange(at.previous, x.cursor));
  }
  auto promise = self_->make_response_promise<scan_page>();
  auto budget = std::clamp<std::uint64_t>(x.count, 1, max_page);
  self_
    ->request(sources_[at.source].actor, caf::infinite, list_atom_v,
              list_request{x.tenant, x.glob, at.cursor, budget})
    .then([this, at,
           promise](key_page& page) { advance(at, std::move(page), promise); },
          [promise](caf::error& why) mutable { promise.deliver(why); });
  return promise;
}

void keyspace_state::advance(const position& at, key_page page,
                             caf::typed_response_promise<scan_page> promise) {
  scan_page result;
  result.found = std::move(page.found);
  auto& seen = *at.seen;
  if (at.source > 0) {
    std::erase_if(result.found, [&](const std::string& key) {
      return seen.find(hash_of(key)) != seen.end();
    });
  } else if (sources_.size() > 1) {
    // A scan has at most two cursors, which share their set.
    if (seen.size() * (cursors_.size() / 2 + 1) < max_remembered)
      for (auto& key : result.found)
        seen.insert(hash_of(key));
  }
  auto next = at;
  if (page.done) {
    ++next.source;
    next.cursor.clear();
  } else {
    next.cursor = std::move(page.next);
  }
  if (next.source < sources_.size())
    result.cursor = remember(std::move(next));
  promise.deliver(std::move(result));
}

std::uint64_t keyspace_state::remember(position x) {
  while (cursors_.size() >= max_cursors) {
    forgotten_ += cursors_.erase(cursor_order_.front());
    cursor_order_.pop_front();
  }
  while (!cursor_order_.empty()
         && cursors_.find(cursor_order_.front()) == cursors_.end())
    cursor_order_.pop_front();
  auto id = ++last_cursor_;
  cursors_.emplace(id, std::move(x));
  cursor_order_.push_back(id);
  return id;
}

// -- KEYS, DBSIZE -------------------------------------------------------------

caf::result<keys> keyspace_state::list(tenant_id tenant,
                                       const std::string& glob) {
  ++lists_;
  auto x = std::make_shared<listing>();
  x->promise = self_->make_response_promise<keys>();
  x->request = {tenant, glob, {}, max_page};
  list_on(x);
  return x->promise;
}

void keyspace_state::list_on(const std::shared_ptr<listing>& x) {
  if (x->source == sources_.size()) {
    keys result;
    result.reserve(x->found.size());
    while (!x->found.empty())
      result.push_back(std::move(x->found.extract(x->found.begin()).value()));
    x->promise.deliver(std::move(result));
    return;
  }
  self_
    ->request(sources_[x->source].actor, caf::infinite, list_atom_v, x->request)
    .then(
      [this, x](key_page& page) {
        for (auto& key : page.found)
          x->found.insert(std::move(key));
        x->request.cursor = std::move(page.next);
        if (page.done) {
          ++x->source;
          x->request.cursor.clear();
        }
        list_on(x);
      },
      [x](caf::error& why) mutable { x->promise.deliver(why); });
}

caf::result<std::uint64_t> keyspace_state::count(tenant_id tenant) {
  // Memory counts per shard: the shards add up to one figure.
  struct tally {
    caf::typed_response_promise<std::uint64_t> promise;
    std::size_t open = 0;
    std::uint64_t memory = 0;
    std::uint64_t below = 0;
  };
  auto x = std::make_shared<tally>();
  x->promise = self_->make_response_promise<std::uint64_t>();
  x->open = sources_.size();
  if (x->open == 0)
    return std::uint64_t{0};
  auto settle = [x]() mutable {
    if (--x->open == 0)
      x->promise.deliver(std::max(x->memory, x->below));
  };
  for (auto& source : sources_) {
    auto kind = source.kind;
    self_->request(source.actor, caf::infinite, count_atom_v, tenant)
      .then(
        [x, kind, settle](std::uint64_t n) mutable {
          if (kind == tier_kind::memory)
            x->memory += n;
          else
            x->below = std::max(x->below, n);
          settle();
        },
        [settle](caf::error&) mutable { settle(); });
  }
  return x->promise;
}

keyspace_actor::behavior_type
keyspace(keyspace_actor::stateful_pointer<keyspace_state> self,
         std::vector<tier_handle> tiers) {
  return self->state.make_behavior(std::move(tiers));
}

} // namespace terrace
