// The part of the Redis tier that gives work to its connections.
#include "actors/redis_tier.hpp"

#include "actors/held_wakes.hpp"

#include <algorithm>
#include <utility>

namespace terrace {

namespace {

/// Requests to write are merged up to this many bytes of values.
constexpr std::size_t max_merged_bytes = 4 << 20;

/// So many look-ups are parted between two connections, if both are free: the
/// server answers one half while the other is dealt with here.
constexpr std::size_t worth_parting = 32;

/// The slowest link that is not taken for a stuck one.
constexpr std::size_t bytes_per_ms = 10'000;

std::size_t bytes_of(const entry_batch& xs) noexcept {
  std::size_t result = 0;
  for (auto& x : xs.get())
    result += x.data.value.size();
  return result;
}

} // namespace

// -- slots --------------------------------------------------------------------

void redis_tier_state::add_slot() {
  slot fresh;
  fresh.worker = setup_.spawn_worker(slots_.empty() ? "terrace-writer"
                                                    : "terrace-reader");
  self_->link_to(fresh.worker);
  slots_.push_back(std::move(fresh));
}

redis_tier_state::slot* redis_tier_state::free_reader() {
  auto i = std::find_if(slots_.begin() + writer + 1, slots_.end(),
                        [](const slot& x) { return !x.busy; });
  return i != slots_.end() ? &*i : nullptr;
}

bool redis_tier_state::replace_worker(const caf::actor_addr& addr) {
  auto i = std::find_if(slots_.begin(), slots_.end(), [&](const slot& x) {
    return x.worker.address() == addr;
  });
  if (i == slots_.end())
    return false;
  // Workers let no error escape; only a lack of memory gets here.
  log_->error("{}: a connection's actor died", setup_.where);
  i->worker = setup_.spawn_worker(i == slots_.begin() ? "terrace-writer"
                                                      : "terrace-reader");
  self_->link_to(i->worker);
  i->busy = false;
  auto requests = std::exchange(i->requests, {});
  for (auto& x : requests)
    fail(x, {errc::unavailable, "the connection's actor died"});
  if (!requests.empty())
    suspect({errc::unavailable, "a connection's actor died"}, false);
  pump();
  schedule();
  return true;
}

// -- starting -----------------------------------------------------------------

redis_request redis_tier_state::pop(queue& from) {
  auto result = std::move(from.front());
  from.pop_front();
  waiting_ -= weight_of(result);
  return result;
}

void redis_tier_state::send_flush() {
  flush_ = waiting_;
  caf::anon_send(redis_tier_actor{self_}, flush_atom_v);
}

void redis_tier_state::flush() {
  // Something came while the flush was on its way: more may follow.
  if (std::exchange(flush_, std::nullopt) < waiting_
      && waiting_ < setup_.opts.max_batch) {
    send_flush();
    return;
  }
  pump();
  schedule();
}

void redis_tier_state::pump() {
  if (!writes_.empty() && !slots_[writer].busy)
    start_writing(slots_[writer]);
  while (!reads_.empty()) {
    auto* reader = free_reader();
    if (!reader)
      return;
    start_reading(*reader);
  }
}

void redis_tier_state::start_reading(slot& on) {
  on.requests.push_back(pop(reads_));
  auto& first = on.requests.front();
  if (auto* page = std::get_if<page_request>(&first))
    start(on, list_job{page->wanted, {}});
  else if (auto* count = std::get_if<count_request>(&first))
    start(on, list_job{count->wanted, {}});
  else if (auto* wanted = std::get_if<fetch_request>(&first))
    start(on, gather_fetches(on, *wanted));
  else
    start(on, probe_job{});
}

fetch_job redis_tier_state::gather_fetches(slot& on, fetch_request& x) {
  fetch_job job{std::move(x.wanted), {}};
  auto all = x.size + waiting_;
  std::size_t most = setup_.opts.max_batch;
  on.busy = true;
  if (all >= worth_parting && free_reader())
    most = std::min(most, (all + 1) / 2);
  job.wanted.reserve(std::min(all, most));
  while (!reads_.empty()) {
    auto* next = std::get_if<fetch_request>(&reads_.front());
    if (!next || job.wanted.size() + next->size > most)
      break;
    job.wanted.insert(job.wanted.end(),
                      std::make_move_iterator(next->wanted.begin()),
                      std::make_move_iterator(next->wanted.end()));
    on.requests.push_back(pop(reads_));
  }
  return job;
}

void redis_tier_state::start_writing(slot& on) {
  on.requests.push_back(pop(writes_));
  auto& first = on.requests.front();
  if (auto* store = std::get_if<store_request>(&first)) {
    start(on, gather_stores(on, *store));
  } else if (auto* remove = std::get_if<remove_request>(&first)) {
    start(on, gather_removes(on, *remove));
  } else if (auto* swap = std::get_if<swap_request>(&first)) {
    start(on, gather_swaps(on, *swap));
  } else if (auto* look = std::get_if<look_request>(&first)) {
    start(on, gather_looks(on, *look));
  } else if (auto* purge = std::get_if<purge_request>(&first)) {
    start(on, purge_job{purge->what, purge->up_to, purge->cursor, false, {}});
  } else if (auto* replay = std::get_if<replay_request>(&first)) {
    if (auto& missed = replay->changes.purge)
      start(on,
            purge_job{missed->what, missed->up_to, replay->cursor, true, {}});
    else
      start(on, replay_job{replay->changes});
  } else if (auto* beat = std::get_if<beat_request>(&first)) {
    // Everything that came before is in Redis, or waits to be made up for.
    auto& x = beat->beat;
    if (behind_since_) {
      auto lag = self_->clock().now() - *behind_since_;
      x.lag_ms = static_cast<std::uint64_t>(
        std::chrono::ceil<milliseconds>(lag).count());
      x.leaving = false;
    }
    start(on, beat_job{x});
  } else if (auto* lease = std::get_if<lease_request>(&first)) {
    start(on, lease_job{lease->key, lease->owner, lease->limit, 0});
  }
}

store_job redis_tier_state::gather_stores(slot& on, const store_request& x) {
  store_job job{{x.batch}, x.if_absent, {}};
  auto size = x.batch.get().size();
  auto bytes = bytes_of(x.batch);
  while (!writes_.empty() && bytes < max_merged_bytes) {
    auto* next = std::get_if<store_request>(&writes_.front());
    size += weight_of(writes_.front());
    if (!next || next->if_absent != job.if_absent
        || size > setup_.opts.max_batch)
      break;
    bytes += bytes_of(next->batch);
    job.batches.push_back(next->batch);
    on.requests.push_back(pop(writes_));
  }
  return job;
}

remove_job redis_tier_state::gather_removes(slot& on, const remove_request& x) {
  remove_job job{x.gone, {}};
  while (!writes_.empty()) {
    auto* next = std::get_if<remove_request>(&writes_.front());
    if (!next || job.gone.size() + next->gone.size() > setup_.opts.max_batch)
      break;
    job.gone.insert(job.gone.end(), next->gone.begin(), next->gone.end());
    on.requests.push_back(pop(writes_));
  }
  return job;
}

swap_job redis_tier_state::gather_swaps(slot& on, swap_request& x) {
  swap_job job;
  job.changes.push_back(std::move(x.change));
  auto bytes = job.changes.back().change.data.value.size();
  while (!writes_.empty() && bytes < max_merged_bytes
         && job.changes.size() < setup_.opts.max_batch) {
    if (!std::holds_alternative<swap_request>(writes_.front()))
      break;
    on.requests.push_back(pop(writes_));
    auto& next = std::get<swap_request>(on.requests.back());
    job.changes.push_back(std::move(next.change));
    bytes += job.changes.back().change.data.value.size();
  }
  return job;
}

fetch_job redis_tier_state::gather_looks(slot& on, look_request& x) {
  fetch_job job;
  job.wanted.push_back(std::move(x.key));
  while (!writes_.empty() && job.wanted.size() < setup_.opts.max_batch) {
    if (!std::holds_alternative<look_request>(writes_.front()))
      break;
    on.requests.push_back(pop(writes_));
    job.wanted.push_back(
      std::move(std::get<look_request>(on.requests.back()).key));
  }
  return job;
}

milliseconds redis_tier_state::longest_time(const redis_job& job) const {
  using namespace std::chrono_literals;
  auto& opts = setup_.opts;
  auto limit = std::max<milliseconds>(
    1s, 10 * (opts.connect_timeout + opts.command_timeout));
  std::size_t bytes = 0;
  if (auto* fetch = std::get_if<fetch_job>(&job.task))
    bytes = fetch->wanted.size() * bytes_per_ms;
  else if (auto* store = std::get_if<store_job>(&job.task))
    for (auto& batch : store->batches)
      bytes += bytes_of(batch);
  else if (std::holds_alternative<replay_job>(job.task))
    bytes = missed_->bytes();
  return limit + milliseconds{bytes / bytes_per_ms};
}

void redis_tier_state::start(slot& on, decltype(redis_job::task) task) {
  auto job = std::make_shared<redis_job>();
  job->task = std::move(task);
  job->now_ms = setup_.now();
  on.busy = true;
  on.replayed.clear();
  on.due = self_->clock().now() + longest_time(*job);
  tick_by(on.due);
  auto index = static_cast<std::size_t>(&on - slots_.data());
  // An error means that the worker died, and an exit message will say so too.
  self_->request(on.worker, caf::infinite, job)
    .then([this, index](redis_job_ptr& done) { job_done(index, *done); },
          [](const caf::error&) {});
}

// -- finishing ----------------------------------------------------------------

void redis_tier_state::job_done(std::size_t index, redis_job& job) {
  auto& on = slots_[index];
  auto requests = std::exchange(on.requests, {});
  on.busy = false;
  // Empty: they were answered when the breaker opened, and what this job brings
  // is old news.
  if (!requests.empty()) {
    if (!job.why || job.local)
      last_reply_ = self_->clock().now();
    if (auto* done = std::get_if<fetch_job>(&job.task))
      hide_stale(*done, on.replayed);
    {
      held_wakes hold{*self_};
      answer(requests, job);
    }
    judge(requests, job);
  }
  pump();
  schedule();
}

} // namespace terrace
