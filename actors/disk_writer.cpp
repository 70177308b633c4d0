#include "actors/disk_writer.hpp"

namespace terrace {

namespace {

/// Entries per sweep: some tens of milliseconds at most.
constexpr std::size_t sweep_budget = 10000;

} // namespace

disk_writer_actor::behavior_type
disk_writer_state::make_behavior(lmdb_store_ptr store, now_fn now) {
  store_ = std::move(store);
  now_ = std::move(now);
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self_->set_exit_handler([this](caf::exit_msg& x) { exit(x); });
  return {
    [this](commit_atom) { return commit(); },
    [this](purge_atom, const selector& what, version_t up_to) {
      return purge(what, up_to);
    },
    [this](sweep_atom) { return store_->sweep(now_(), sweep_budget) == 0; },
    [this](wake_atom) { step(); },
  };
}

caf::result<bool> disk_writer_state::commit() {
  auto state = store_->commit(now_());
  if (!state)
    return make_error(state.error());
  return *state == lmdb_progress::merging;
}

caf::result<std::uint64_t> disk_writer_state::purge(const selector& what,
                                                    version_t up_to) {
  purge_job job;
  job.walk.what = what;
  job.walk.up_to = up_to;
  job.promise = self_->make_response_promise<std::uint64_t>();
  auto result = job.promise;
  purges_.push_back(std::move(job));
  if (purges_.size() == 1)
    caf::anon_send(disk_writer_actor{self_}, wake_atom_v);
  return result;
}

void disk_writer_state::step() {
  if (purges_.empty())
    return;
  auto& job = purges_.front();
  auto done = store_->purge_some(job.walk, now_());
  if (!done)
    job.promise.deliver(make_error(done.error()));
  else if (*done)
    job.promise.deliver(job.walk.purged);
  if (!done || *done)
    purges_.pop_front();
  if (!purges_.empty())
    caf::anon_send(disk_writer_actor{self_}, wake_atom_v);
}

void disk_writer_state::exit(const caf::exit_msg& x) {
  for (auto& job : purges_)
    job.promise.deliver(make_error(errc::shutting_down));
  purges_.clear();
  self_->quit(x.reason);
}

disk_writer_actor::behavior_type
disk_writer(disk_writer_actor::stateful_pointer<disk_writer_state> self,
            lmdb_store_ptr store, now_fn now) {
  return self->state.make_behavior(std::move(store), std::move(now));
}

} // namespace terrace
