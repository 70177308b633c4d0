#include "actors/redis_worker.hpp"

namespace terrace {

namespace {

/// Keys that one step of a purge looks at: a few milliseconds at most, so that
/// writes behind it do not wait long.
constexpr std::size_t purge_budget = 1000;

} // namespace

redis_worker_actor::behavior_type
redis_worker_state::make_behavior(redis_worker_setup setup) {
  store_ = std::make_unique<redis_store>(setup.opts, std::move(setup.topology),
                                         std::move(setup.coder),
                                         std::move(setup.figures),
                                         std::move(setup.client_name),
                                         std::move(setup.announcer));
  self_->set_exit_handler(
    [this](const caf::exit_msg& x) { self_->quit(x.reason); });
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  return {
    [this](redis_job_ptr& job) { return work(std::move(job)); },
  };
}

caf::result<redis_job_ptr> redis_worker_state::work(redis_job_ptr job) {
  auto promise = self_->make_response_promise<redis_job_ptr>();
  std::visit([&](auto& task) { run(task, *job); }, job->task);
  job->local = job->why && store_->partly_up();
  auto* unit = self_->context();
  self_->context(&unit_);
  promise.deliver(std::move(job));
  self_->context(unit);
  unit_.drain();
  return promise;
}

void redis_worker_state::run(fetch_job& x, redis_job& job) {
  x.found = store_->fetch(x.wanted, job.now_ms);
  job.why = store_->last_failure();
}

void redis_worker_state::run(store_job& x, redis_job& job) {
  std::vector<const entry*> entries;
  for (auto& batch : x.batches)
    for (auto& one : batch.get())
      entries.push_back(&one);
  x.outcomes = store_->put_each(entries, x.if_absent, job.now_ms);
  job.why = store_->last_failure();
}

void redis_worker_state::run(remove_job& x, redis_job& job) {
  x.outcomes = store_->remove_each(x.gone, job.now_ms);
  job.why = store_->last_failure();
}

void redis_worker_state::run(purge_job& x, redis_job& job) {
  if (x.whole && x.cursor.empty())
    if (auto alive = store_->ping_all(); !alive) {
      job.why = alive.error();
      return;
    }
  auto page = store_->purge_step(x.what, x.up_to, x.cursor, purge_budget,
                                 job.now_ms);
  if (page)
    x.page = *std::move(page);
  else
    job.why = page.error();
}

void redis_worker_state::run(list_job& x, redis_job& job) {
  auto& y = x.wanted;
  auto page = store_->list(y.tenant, y.glob, y.cursor, y.budget, job.now_ms);
  if (page)
    x.page = *std::move(page);
  else
    job.why = page.error();
}

void redis_worker_state::run(replay_job& x, redis_job& job) {
  auto& [purge, puts, gone] = x.changes;
  std::vector<const entry*> entries;
  for (auto& one : puts)
    entries.push_back(&one);
  auto stored = store_->put_each(entries, false, job.now_ms);
  job.why = store_->last_failure();
  std::size_t i = 0;
  std::erase_if(puts, [&](const entry&) {
    return stored[i++] == redis_store::put_outcome::failed;
  });
  if (job.why && !store_->partly_up()) {
    gone.clear();
    return;
  }
  auto removed = store_->remove_each(gone, job.now_ms);
  if (!job.why)
    job.why = store_->last_failure();
  i = 0;
  std::erase_if(gone, [&](const removal&) {
    return removed[i++] == redis_store::remove_outcome::failed;
  });
}

void redis_worker_state::run(probe_job& x, redis_job& job) {
  if (auto alive = store_->ping(); !alive)
    job.why = alive.error();
  else
    store_->describe(x.server);
}

void redis_worker_state::run(beat_job& x, redis_job& job) {
  if (auto sent = store_->publish(std::move(x.beat)); !sent)
    job.why = sent.error();
}

void redis_worker_state::run(lease_job& x, redis_job& job) {
  if (x.limit.count() == 0) {
    if (auto ok = store_->release(x.key, x.owner); !ok)
      job.why = ok.error();
  } else if (auto held = store_->lease(x.key, x.owner, x.limit)) {
    x.held_ms = *held;
  } else {
    job.why = held.error();
  }
}

void redis_worker_state::run(swap_job& x, redis_job& job) {
  x.outcomes = store_->swap_each(x.changes, job.now_ms);
  job.why = store_->last_failure();
}

redis_worker_actor::behavior_type
redis_worker(redis_worker_actor::stateful_pointer<redis_worker_state> self,
             redis_worker_setup setup) {
  return self->state.make_behavior(std::move(setup));
}

} // namespace terrace
