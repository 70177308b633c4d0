#include "actors/disk_tier.hpp"

#include "actors/log.hpp"
#include "config/quantity.hpp"

#include <algorithm>

namespace terrace {

namespace {

/// Counters of the engine that `reset` sets back.
constexpr auto engine_counters = {
  "commits",
  "commit_errors",
  "given_up",
  "not_admitted",
  "accepted_bytes",
  "written_bytes",
  "given_back_bytes",
  "quarantined",
  "compressed",
  "incompressible",
  "raw_bytes",
  "compressed_bytes",
  "corrupt",
  "compress_ns",
  "decompress_ns",
  "dictionary_compressed",
  "dictionary_raw_bytes",
  "dictionary_compressed_bytes",
  "dictionary_missing",
};

} // namespace

// -- birth --------------------------------------------------------------------

disk_tier_actor::behavior_type
disk_tier_state::make_behavior(disk_setup setup) {
  setup_ = std::move(setup);
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self_->set_exit_handler([this](caf::exit_msg& x) { exit(x); });
  spawn_writer();
  for (std::uint32_t i = 0; i < std::max(1u, setup_.opts.readers); ++i)
    spawn_reader();
  if (setup_.opts.durability == "os") {
    syncer_ = spawn_thread();
    synced_ = clock::now();
  }
  changed(); // the journal may hold changes from before
  self_->delayed_anon_send(disk_tier_actor{self_}, setup_.opts.sweep_interval,
                           sweep_atom_v);
  return {
    [this](fetch_atom, const keys& xs) { return fetch(xs); },
    [this](store_atom, const entry_batch& xs) { return put(xs, false); },
    [this](promote_atom, const entry_batch& xs) { return put(xs, true); },
    [this](remove_atom, const removals& xs) { return remove(xs); },
    [this](purge_atom, const selector& what, version_t up_to) {
      return purge(what, up_to);
    },
    [this](list_atom, const list_request& x) { return list(x); },
    [this](count_atom, tenant_id tenant) { return count(tenant); },
    [this](status_atom) { return status(); },
    [this](reset_atom) { reset(); },
    [this](commit_atom) {
      timer_ = false;
      commit();
    },
    [this](sweep_atom) { sweep(); },
  };
}

void disk_tier_state::spawn_writer() {
  writer_
    = setup_.detached
        ? self_->spawn<caf::linked + caf::detached>(disk_writer, setup_.store,
                                                    setup_.now)
        : self_->spawn<caf::linked>(disk_writer, setup_.store, setup_.now);
}

disk_reader_actor disk_tier_state::spawn_thread() {
  return setup_.detached
           ? self_->spawn<caf::linked + caf::detached>(disk_reader,
                                                       setup_.store, setup_.now)
           : self_->spawn<caf::linked>(disk_reader, setup_.store, setup_.now);
}

void disk_tier_state::spawn_reader() {
  readers_.push_back(spawn_thread());
  idle_.push_back(readers_.back());
}

// -- status -------------------------------------------------------------------

tier_status disk_tier_state::status() {
  tier_status result;
  setup_.store->describe(result);
  counters_.fill(result);
  result.evictions -= baseline_.evictions;
  result.expirations -= baseline_.expirations;
  for (auto counter : engine_counters)
    result.extra[counter] -= baseline_.extra[counter];
  result.extra["waiting_writes"] = line_.size();
  result.extra["waiting_lookups"] = waiting_keys_;
  if (why_) {
    result.state = "degraded";
    result.reason = to_string(why_);
  } else if (result.capacity_bytes < setup_.opts.max_size) {
    // The engine has given up entries to get its commits through.
    result.state = "degraded";
    result.reason = "the device is full; bounded to "
                    + format_size(result.capacity_bytes);
  }
  return result;
}

void disk_tier_state::reset() {
  counters_.reset();
  baseline_ = {};
  setup_.store->describe(baseline_);
}

// -- death --------------------------------------------------------------------

void disk_tier_state::exit(const caf::exit_msg& x) {
  // A thread that ended because of an exception is replaced; its request has
  // been answered with an error. While stopping they end because they are told.
  auto is_source = [&x](auto& y) { return y.address() == x.source; };
  auto reader = std::find_if(readers_.begin(), readers_.end(), is_source);
  if (reader != readers_.end()) {
    auto idle = std::find_if(idle_.begin(), idle_.end(), is_source);
    if (idle != idle_.end())
      idle_.erase(idle);
    readers_.erase(reader);
    if (stopping_)
      return;
    log_of("disk").error("a reader ended and is replaced");
    spawn_reader();
    dispatch();
  } else if (syncer_ && is_source(syncer_)) {
    syncer_ = nullptr;
    if (!stopping_)
      syncer_ = spawn_thread();
  } else if (writer_ && is_source(writer_)) {
    writer_ = nullptr;
    if (stopping_)
      return;
    log_of("disk").error("the writer ended and is replaced");
    spawn_writer();
  } else {
    stop(x.reason);
  }
}

void disk_tier_state::stop(caf::error reason) {
  if (stopping_)
    return;
  stopping_ = true;
  exit_reason_ = std::move(reason);
  setup_.health->readable = false;
  checking_ = false;
  line_keys_.clear();
  line_purges_ = 0;
  for (auto& op : std::exchange(line_, {}))
    std::visit([this](auto& x) { reject(x); }, op);
  for (auto& job : std::exchange(reads_, {}))
    std::visit([this](auto& x) { reject(x); }, job);
  waiting_keys_ = 0;
  commit();
}

void disk_tier_state::reject(store_op& op) {
  store_report report{0, 0, op.batch.get().size(), {errc::shutting_down, {}}};
  counters_.count(report);
  op.reply.deliver(std::move(report));
}

void disk_tier_state::reject(remove_op& op) {
  op.reply.deliver(remove_report{std::vector<bool>(op.batch.size()),
                                 {errc::shutting_down, {}}});
}

void disk_tier_state::reject(purge_op& op) {
  op.reply.deliver(make_error(errc::shutting_down));
}

void disk_tier_state::reject(fetch_op& op) {
  fetch_job job{std::move(op.wanted), op.start, std::move(op.reply)};
  reject(job);
}

void disk_tier_state::reject(fetch_job& job) {
  lookups found(job.wanted.size(), lookup::failed(errc::shutting_down));
  counters_.count(found);
  job.reply.deliver(std::move(found));
}

void disk_tier_state::reject(probe_job&) {
  // Its change was in the line.
}

void disk_tier_state::reject(list_job& job) {
  job.reply.deliver(make_error(errc::shutting_down));
}

void disk_tier_state::reject(count_job& job) {
  job.reply.deliver(make_error(errc::shutting_down));
}

/// After the last commit the threads are told to end; a purge that the writer
/// has not finished is then answered, which is what may still be in flight.
void disk_tier_state::end_if_idle() {
  if (!last_commit_)
    return;
  if (writer_)
    self_->send_exit(writer_, caf::exit_reason::user_shutdown);
  for (auto& x : readers_)
    self_->send_exit(x, caf::exit_reason::user_shutdown);
  if (syncer_)
    self_->send_exit(syncer_, caf::exit_reason::user_shutdown);
  if (in_flight_ == 0)
    self_->quit(std::move(exit_reason_));
}

disk_tier_actor::behavior_type
disk_tier(disk_tier_actor::stateful_pointer<disk_tier_state> self,
          disk_setup setup) {
  return self->state.make_behavior(std::move(setup));
}

expected<tier_handle>
spawn_disk_tier(caf::actor_system& sys, const disk_options& opts,
                const compression_options& compression, const std::string& path,
                now_fn now, dictionary_set_ptr dictionaries) {
  auto store = lmdb_store::open(opts, compression, path,
                                std::move(dictionaries));
  if (!store)
    return store.error();
  tier_handle result;
  result.kind = tier_kind::disk;
  result.health = std::make_shared<tier_health>();
  result.write_through = opts.write == "through";
  result.max_value_size = opts.max_value_size;
  result.actor = sys.spawn(disk_tier,
                           disk_setup{opts, *std::move(store), result.health,
                                      std::move(now)});
  return result;
}

} // namespace terrace
