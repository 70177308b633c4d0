// The part of the Redis tier that notices failures and recovers from them.
#include "actors/redis_tier.hpp"

#include <algorithm>
#include <utility>

namespace terrace {

namespace {

/// True if a failure says that the server is of no use at the moment. A server
/// that is full or read-only still answers look-ups.
bool concerns_breaker(errc code) noexcept {
  switch (code) {
    case errc::none:
    case errc::no_space:
    case errc::read_only:
    case errc::too_large:
    case errc::corrupt:
    case errc::unsupported_format:
      return false;
    default:
      return true;
  }
}

bool is_first_probe(const std::vector<redis_request>& xs) noexcept {
  auto* x = std::get_if<probe_request>(&xs.front());
  return x && x->first;
}

} // namespace

// -- down and up --------------------------------------------------------------

void redis_tier_state::judge(const std::vector<redis_request>& of,
                             const redis_job& job) {
  if (concerns_breaker(job.why.code) && !job.local)
    return suspect(job.why, is_first_probe(of));
  if (job.why)
    write_trouble_ = job.why;
  if (breaker_->closed())
    breaker_->success();
  else if (std::holds_alternative<probe_job>(job.task))
    go_on_recovering();
}

void redis_tier_state::suspect(const failure& why, bool at_once) {
  auto now = self_->clock().now();
  if (breaker_->current() == circuit_breaker::state::half_open) {
    breaker_->probe_failed(why, now);
    go_down();
  } else if (at_once ? breaker_->trip(why, now)
                     : breaker_->failure_seen(why, now)) {
    log_->warn("{} is down: {}", setup_.where, to_string(why));
    go_down();
  }
}

void redis_tier_state::go_down() {
  setup_.health->readable = false;
  last_lap_ = false;
  auto why = breaker_->reason();
  for (auto& x : slots_)
    for (auto& request : std::exchange(x.requests, {}))
      fail(request, why);
  failure skipped{errc::breaker_open, to_string(why)};
  waiting_ = 0;
  for (auto& request : std::exchange(reads_, {}))
    fail(request, skipped);
  for (auto& request : std::exchange(writes_, {}))
    fail(request, skipped);
}

void redis_tier_state::come_up() {
  last_lap_ = false;
  breaker_->probe_succeeded();
  setup_.health->readable = true;
  log_->info("{} is up again; changes made up for so far: {}, waiting: {}",
             setup_.where, replayed_, missed_->size());
}

// -- replaying ----------------------------------------------------------------

void redis_tier_state::go_on_recovering() {
  if (!missed_->empty() && may_replay())
    enqueue_replay();
  else
    come_up(); // what is stale in it is hidden until it is made up for
}

/// What other nodes did meanwhile must be known first: it may be newer.
bool redis_tier_state::may_replay() const {
  return !setup_.gauge || setup_.gauge->may_promote();
}

void redis_tier_state::enqueue_replay() {
  if (std::exchange(replaying_, true))
    return;
  auto changes = missed_->next(setup_.opts.max_batch);
  auto size = changes.puts.size() + changes.gone.size()
              + (changes.purge ? 1 : 0);
  // Once nothing is missed but what is about to be replayed, new writes may
  // queue up behind it: otherwise a busy node would never catch up.
  last_lap_ = !breaker_->closed() && size == missed_->size();
  enqueue(writes_, replay_request{std::move(changes), {}});
}

void redis_tier_state::replay_done(const missed_batch& done, const failure& why,
                                   bool local) {
  replaying_ = false;
  write_trouble_ = why;
  auto n = done.puts.size() + done.gone.size() + (done.purge ? 1 : 0);
  replayed_ += n;
  missed_->replayed(done);
  if (missed_->empty())
    behind_since_.reset();
  if (n > 0)
    for (auto& x : slots_)
      if (!x.requests.empty()
          && std::holds_alternative<fetch_request>(x.requests.front()))
        x.replayed.push_back(done);
  // What failed at one server is passed over by the next portion, and waits for
  // its turn once nothing else is left.
  const bool more = !why || n > 0 || (local && missed_->other_next());
  switch (breaker_->current()) {
    case circuit_breaker::state::closed:
      if (more && !missed_->empty() && may_replay())
        enqueue_replay();
      break;
    case circuit_breaker::state::half_open:
      // A server that takes no writes still serves look-ups; what is stale in
      // it is hidden. The same holds if it is one of several that fails.
      if (!why || (more && local))
        go_on_recovering();
      else if (local || !concerns_breaker(why.code))
        come_up();
      break;
    default:
      break;
  }
}

void redis_tier_state::hide_stale(fetch_job& done,
                                  const std::vector<missed_batch>& replayed) {
  if (!missed_->hides_any() && replayed.empty())
    return;
  for (std::size_t i = 0; i < done.found.size(); ++i) {
    auto& key = done.wanted[i];
    auto& x = done.found[i];
    auto hides = [&](const missed_batch& y) { return y.hides(key, x.data); };
    if (x.hit()
        && (missed_->hides(key, x.data)
            || std::any_of(replayed.begin(), replayed.end(), hides))) {
      x = lookup::missed();
      ++hidden_;
    }
  }
}

// -- ticking ------------------------------------------------------------------

void redis_tier_state::tick() {
  auto now = self_->clock().now();
  if (next_tick_ && *next_tick_ <= now)
    next_tick_.reset();
  check_patience(now);
  check_health(now);
  schedule();
}

void redis_tier_state::check_patience(tick_time now) {
  for (auto& x : slots_)
    if (!x.requests.empty() && x.due <= now) {
      suspect({errc::timeout, "a connection is stuck"}, false);
      return;
    }
}

void redis_tier_state::check_health(tick_time now) {
  if (!breaker_->closed()) {
    // While all workers are stuck, the probe waits for the first to come back.
    auto* reader = free_reader();
    if (reader && breaker_->try_probe(now)) {
      reader->requests.push_back(probe_request{});
      start(*reader, probe_job{});
    }
    return;
  }
  if (retry_ && *retry_ <= now) {
    retry_.reset();
    if (!missed_->empty() && may_replay())
      enqueue_replay();
  }
  if (look_ && *look_ <= now) {
    look_.reset();
    if (auto* reader = free_reader()) {
      reader->requests.push_back(probe_request{});
      start(*reader, probe_job{});
    }
  }
  auto interval = setup_.opts.health_interval;
  if (interval.count() > 0 && last_reply_ + interval <= now) {
    last_reply_ = now;
    while (auto* reader = free_reader()) {
      reader->requests.push_back(probe_request{});
      start(*reader, probe_job{});
    }
  }
}

void redis_tier_state::schedule() {
  for (auto& x : slots_)
    if (!x.requests.empty())
      tick_by(x.due);
  if (breaker_->current() == circuit_breaker::state::open) {
    if (free_reader())
      tick_by(breaker_->probe_due());
    return;
  }
  if (!breaker_->closed())
    return;
  if (setup_.opts.health_interval.count() > 0)
    tick_by(last_reply_ + setup_.opts.health_interval);
  look_after_servers();
  if (!missed_->empty() && !replaying_) {
    if (!retry_)
      retry_ = self_->clock().now() + setup_.opts.breaker_open_for;
    tick_by(*retry_);
  }
}

void redis_tier_state::look_after_servers() {
  auto down = setup_.topology->down();
  if (auto before = std::exchange(down_, down); before < down)
    log_->warn("{}: {}", setup_.where, setup_.topology->trouble());
  else if (down < before)
    log_->info("{}: a server is up again, still down: {}", setup_.where, down);
  if (!look_ && down > 0)
    look_ = self_->clock().now() + setup_.opts.breaker_open_for;
  if (look_)
    tick_by(*look_);
}

void redis_tier_state::tick_by(tick_time at) {
  if (next_tick_ && *next_tick_ <= at)
    return;
  next_tick_ = at;
  auto now = self_->clock().now();
  self_->delayed_anon_send(redis_tier_actor{self_},
                           std::max(at - now, tick_time::duration{0}),
                           tick_atom_v);
}

// -- end ----------------------------------------------------------------------

void redis_tier_state::shut_down(const caf::error& reason) {
  failure why{errc::shutting_down, {}};
  for (auto& x : slots_)
    for (auto& request : std::exchange(x.requests, {}))
      fail(request, why);
  for (auto& request : std::exchange(reads_, {}))
    fail(request, why);
  for (auto& request : std::exchange(writes_, {}))
    fail(request, why);
  self_->quit(reason);
}

} // namespace terrace
