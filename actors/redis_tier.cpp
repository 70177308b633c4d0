// Requests and figures. Answers are in redis_answer.cpp, connections in
// redis_link.cpp, failure and recovery in redis_recovery.cpp.
#include "actors/redis_tier.hpp"

#include "actors/log.hpp"
#include "tiers/redis_url.hpp"

#include <algorithm>

namespace terrace {

namespace {

/// Keys looked at in one page of a count.
constexpr std::uint64_t count_budget = 1000;

} // namespace

redis_tier_actor::behavior_type
redis_tier_state::make_behavior(redis_tier_setup setup) {
  setup_ = std::move(setup);
  auto& opts = setup_.opts;
  opts.max_batch = std::max(opts.max_batch, 1u);
  breaker_.emplace(opts.breaker_failures, opts.breaker_open_for);
  missed_.emplace(opts.max_missed, opts.max_missed_size);
  log_ = &log_of("redis");
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self_->set_exit_handler([this](const caf::exit_msg& x) {
    if (!replace_worker(x.source))
      shut_down(x.reason);
  });
  last_reply_ = self_->clock().now();
  for (std::uint32_t i = 0; i <= std::max(opts.connections, 1u); ++i)
    add_slot();
  // Look-ups are served at once, in good faith, and the breaker learns from
  // this probe within one time limit whether there is a server at all.
  enqueue(reads_, probe_request{true});
  schedule();
  return {
    [this](fetch_atom, keys& xs) { return fetch(std::move(xs)); },
    [this](store_atom, entry_batch& xs) { return store(std::move(xs), false); },
    [this](promote_atom, entry_batch& xs) {
      return store(std::move(xs), true);
    },
    [this](remove_atom, removals& xs) { return remove(std::move(xs)); },
    [this](purge_atom, const selector& what, version_t up_to) {
      return purge(what, up_to);
    },
    [this](list_atom, list_request& x) { return list(std::move(x)); },
    [this](count_atom, tenant_id tenant) { return count(tenant); },
    [this](status_atom) { return status(); },
    [this](reset_atom) { reset(); },
    [this](tick_atom) { tick(); },
    [this](beat_atom, const node_beat_ptr& x) { return beat(*x); },
    [this](lease_atom, std::string& key, std::string& owner, std::uint64_t ms) {
      return lease(std::move(key), std::move(owner),
                   milliseconds{static_cast<std::int64_t>(ms)});
    },
    [this](release_atom, std::string& key, std::string& owner) {
      release(std::move(key), std::move(owner));
    },
    [this](look_atom, std::string& key) { return look(std::move(key)); },
    [this](swap_atom, guarded_change& x) { return swap(std::move(x)); },
    [this](forget_atom, const removals& xs) {
      for (auto& x : xs)
        missed_->supersede(x.key, x.version + 1);
      return std::uint64_t{missed_->size()};
    },
    [this](forget_atom, const selector& what, version_t up_to) {
      missed_->supersede(what, up_to);
      return std::uint64_t{missed_->size()};
    },
    [this](flush_atom) { flush(); },
  };
}

// -- requests -----------------------------------------------------------------

caf::result<lookups> redis_tier_state::fetch(keys wanted) {
  auto promise = self_->make_response_promise<lookups>();
  auto size = wanted.size();
  take(reads_,
       fetch_request{std::move(wanted), size, self_->clock().now(), promise});
  return promise;
}

caf::result<store_report> redis_tier_state::store(entry_batch batch,
                                                  bool if_absent) {
  if (if_absent && setup_.gauge && !setup_.gauge->may_promote()) {
    // It may have been deleted by another node.
    withheld_ += batch.get().size();
    return store_report{0, batch.get().size(), 0, {}};
  }
  auto promise = self_->make_response_promise<store_report>();
  take(writes_, store_request{std::move(batch), if_absent, self_->clock().now(),
                              promise});
  return promise;
}

caf::result<remove_report> redis_tier_state::remove(removals gone) {
  auto promise = self_->make_response_promise<remove_report>();
  take(writes_, remove_request{std::move(gone), self_->clock().now(), promise});
  return promise;
}

caf::result<bool> redis_tier_state::beat(const node_beat& x) {
  auto promise = self_->make_response_promise<bool>();
  take(writes_, beat_request{x, promise});
  return promise;
}

caf::result<std::uint64_t> redis_tier_state::lease(std::string key,
                                                   std::string owner,
                                                   milliseconds limit) {
  auto promise = self_->make_response_promise<std::uint64_t>();
  take(writes_, lease_request{std::move(key), std::move(owner),
                              std::max(limit, milliseconds{1}), promise});
  return promise;
}

void redis_tier_state::release(std::string key, std::string owner) {
  take(writes_, lease_request{std::move(key), std::move(owner), {}, {}});
}

caf::result<lookup> redis_tier_state::look(std::string key) {
  auto promise = self_->make_response_promise<lookup>();
  take(writes_, look_request{std::move(key), promise});
  return promise;
}

caf::result<bool> redis_tier_state::swap(guarded_change x) {
  if (x.seen == 0 && missed_->hides_any()) {
    // What is there may be hidden. It does not count as far as that goes for
    // all keys; for the sake of one, it has to be made up for first.
    x.hidden = missed_->floor();
    record next;
    next.version = x.hidden + 1;
    if (missed_->hides(x.change.key, next))
      return make_error(errc::unavailable, "an earlier change was missed");
  }
  auto promise = self_->make_response_promise<bool>();
  take(writes_, swap_request{std::move(x), promise});
  return promise;
}

caf::result<std::uint64_t> redis_tier_state::purge(const selector& what,
                                                   version_t up_to) {
  auto promise = self_->make_response_promise<std::uint64_t>();
  take(writes_,
       purge_request{what, up_to, {}, 0, self_->clock().now(), {}, promise});
  return promise;
}

caf::result<key_page> redis_tier_state::list(list_request wanted) {
  // A cursor comes from a client: a bad one must not look like a bad server.
  if (!redis_store::is_cursor(wanted.cursor))
    return make_error(errc::invalid_argument, "cursor " + wanted.cursor);
  auto promise = self_->make_response_promise<key_page>();
  take(reads_, page_request{std::move(wanted), promise});
  return promise;
}

caf::result<std::uint64_t> redis_tier_state::count(tenant_id tenant) {
  auto promise = self_->make_response_promise<std::uint64_t>();
  take(reads_, count_request{{tenant, "*", "", count_budget}, 0, promise});
  return promise;
}

void redis_tier_state::take(queue& to, redis_request x) {
  const bool write = &to == &writes_;
  if (!breaker_->closed() && !(write && last_lap_))
    fail(x, {errc::breaker_open, to_string(breaker_->reason())});
  else if (waiting_ > 0 && waiting_ + weight_of(x) > setup_.opts.max_queued)
    fail(x, {errc::overloaded, "redis.max_queued is reached"});
  else {
    supersede(x);
    enqueue(to, std::move(x));
  }
  schedule();
}

void redis_tier_state::supersede(const redis_request& x) {
  if (missed_->empty())
    return;
  if (auto* put = std::get_if<store_request>(&x)) {
    if (!put->if_absent)
      for (auto& one : put->batch.get())
        missed_->supersede(one.key, one.data.version);
  } else if (auto* gone = std::get_if<remove_request>(&x)) {
    for (auto& one : gone->gone)
      missed_->supersede(one.key, one.version + 1);
  } else if (auto* swap = std::get_if<swap_request>(&x)) {
    auto& one = swap->change.change;
    missed_->supersede(one.key,
                       one.data.version + (swap->change.erases ? 1 : 0));
  } else if (auto* purge = std::get_if<purge_request>(&x)) {
    missed_->supersede(purge->what, purge->up_to);
  }
}

void redis_tier_state::enqueue(queue& to, redis_request x) {
  waiting_ += weight_of(x);
  to.push_back(std::move(x));
  if (!flush_)
    send_flush();
}

// -- status -------------------------------------------------------------------

tier_status redis_tier_state::status() {
  auto result = server_;
  result.tier = tier_kind::redis;
  counters_.fill(result);
  result.state = to_string(breaker_->current());
  if (!breaker_->closed()) {
    result.reason = to_string(breaker_->reason());
  } else if (!missed_->empty()) {
    result.state = "degraded";
    result.reason = std::to_string(missed_->size())
                    + " changes wait to be made up for";
    if (write_trouble_)
      result.reason += ": " + to_string(write_trouble_);
  }
  if (auto trouble = setup_.topology->trouble();
      !trouble.empty() && breaker_->closed()) {
    result.state = "degraded";
    result.reason = result.reason.empty() ? trouble
                                          : trouble + "; " + result.reason;
  }
  auto& extra = result.extra;
  setup_.figures->fill(extra);
  setup_.topology->fill(extra);
  setup_.coder->fill(extra, codec_baseline_);
  extra["breaker_opened"] = breaker_->stats().opened;
  extra["breaker_closed"] = breaker_->stats().closed;
  extra["breaker_probes"] = breaker_->stats().probes;
  extra["missed_entries"] = missed_->size();
  extra["missed_bytes"] = missed_->bytes();
  extra["missed_overflows"] = missed_->overflows();
  extra["replayed"] = replayed_;
  extra["hidden"] = hidden_;
  extra["withheld_promotions"] = withheld_;
  extra["queued"] = waiting_;
  return result;
}

void redis_tier_state::reset() {
  counters_.reset();
  setup_.figures->reset();
  breaker_->reset_figures();
  codec_baseline_ = setup_.coder->stats();
  replayed_ = hidden_ = withheld_ = 0;
}

// -- spawning -----------------------------------------------------------------

redis_tier_actor::behavior_type
redis_tier(redis_tier_actor::stateful_pointer<redis_tier_state> self,
           redis_tier_setup setup) {
  return self->state.make_behavior(std::move(setup));
}

expected<tier_handle>
spawn_redis_tier(caf::actor_system& sys, const redis_options& opts,
                 const compression_options& compression, now_fn now,
                 const redis_backplane& backplane,
                 dictionary_set_ptr dictionaries) {
  auto where = read_redis_urls(opts.url);
  if (!where)
    return where.error();
  auto figures = std::make_shared<redis_figures>();
  auto topology = std::make_shared<redis_topology>(opts, *where, figures);
  redis_tier_setup setup{opts,
                         mask_redis_urls(opts.url),
                         std::make_shared<codec>(compression,
                                                 std::move(dictionaries)),
                         figures,
                         topology,
                         std::make_shared<tier_health>(),
                         {},
                         std::move(now),
                         backplane.gauge};
  redis_worker_setup worker{opts,    topology, setup.coder,
                            figures, {},       backplane.announcer};
  setup.spawn_worker = [&sys, worker](const char* client_name) {
    auto mine = worker;
    mine.client_name = client_name;
    return sys.spawn<caf::detached>(redis_worker, std::move(mine));
  };
  tier_handle result{tier_kind::redis,
                     {},
                     setup.health,
                     opts.write == "through",
                     opts.max_value_size};
  auto actor = sys.spawn(redis_tier, std::move(setup));
  result.actor = caf::actor_cast<tier_actor>(actor);
  return result;
}

} // namespace terrace
