// Changes: their order, and when they are committed.

#include "actors/disk_tier.hpp"
#include "actors/log.hpp"

#include <algorithm>

namespace terrace {

namespace {

constexpr milliseconds longest_pause{5000};

/// With durability "os" a power cut takes the tier back about this far.
constexpr milliseconds checkpoint_interval{10'000};

template <class T>
keys keys_of(const std::vector<T>& xs) {
  keys result;
  result.reserve(xs.size());
  for (auto& x : xs)
    result.push_back(x.key);
  return result;
}

std::uint64_t hash_of(const std::string& key) noexcept {
  return std::hash<std::string>{}(key);
}

} // namespace

// -- the line -----------------------------------------------------------------

caf::result<store_report> disk_tier_state::put(const entry_batch& xs,
                                               bool if_absent) {
  if (stopping_)
    return store_report{0, 0, xs.get().size(), {errc::shutting_down, {}}};
  auto reply = self_->make_response_promise<store_report>();
  enqueue(store_op{xs, if_absent, clock::now(), reply});
  return reply;
}

caf::result<remove_report> disk_tier_state::remove(const removals& xs) {
  if (stopping_)
    return remove_report{std::vector<bool>(xs.size()),
                         {errc::shutting_down, {}}};
  auto reply = self_->make_response_promise<remove_report>();
  enqueue(remove_op{xs, reply});
  return reply;
}

caf::result<std::uint64_t> disk_tier_state::purge(const selector& what,
                                                  version_t up_to) {
  if (stopping_)
    return make_error(errc::shutting_down);
  auto reply = self_->make_response_promise<std::uint64_t>();
  enqueue(purge_op{what, up_to, reply});
  return reply;
}

/// Calls `f` with the hash of each key that a change concerns.
template <class F>
void disk_tier_state::each_hash(const line_op& op, F&& f) {
  if (auto* x = std::get_if<store_op>(&op))
    for (auto& y : x->batch.get())
      f(hash_of(y.key));
  else if (auto* z = std::get_if<remove_op>(&op))
    for (auto& y : z->batch)
      f(hash_of(y.key));
}

/// Handles an operation at once, or when those before it have had their turn.
void disk_tier_state::enqueue(line_op op) {
  line_.push_back(std::move(op));
  if (line_.size() == 1)
    run_line();
  if (line_.empty())
    return;
  each_hash(line_.back(), [this](std::uint64_t x) { ++line_keys_[x]; });
  line_purges_ += std::holds_alternative<purge_op>(line_.back());
}

/// Takes the first operation out of the line.
void disk_tier_state::dequeue() {
  auto op = std::move(line_.front());
  line_.pop_front();
  if (line_keys_.empty() && line_purges_ == 0)
    return; // it never had to wait
  each_hash(op, [this](std::uint64_t x) {
    auto i = line_keys_.find(x);
    if (i != line_keys_.end() && --i->second == 0)
      line_keys_.erase(i);
  });
  line_purges_ -= std::holds_alternative<purge_op>(op);
}

/// Whether a change that waits may concern one of these keys.
bool disk_tier_state::in_line(const keys& xs) const {
  return line_purges_ > 0
         || std::any_of(xs.begin(), xs.end(), [this](auto& key) {
              return line_keys_.count(hash_of(key)) > 0;
            });
}

void disk_tier_state::run_line() {
  while (!line_.empty() && !checking_) {
    if (std::holds_alternative<store_op>(line_.front()) && full()) {
      commit();
      return;
    }
    if (!std::visit([this](auto& op) { return handle(op); }, line_.front()))
      return;
    dequeue();
  }
}

bool disk_tier_state::full() const noexcept {
  return !why_ && setup_.store->full();
}

bool disk_tier_state::handle(store_op& op) {
  store_report report;
  if (setup_.store->try_stage(op.batch.get(), op.if_absent, setup_.now(),
                              report)) {
    finish(op, std::move(report));
    return true;
  }
  checking_ = true;
  probe(keys_of(op.batch.get()), [this](const lookups& known) {
    auto& x = std::get<store_op>(line_.front());
    finish(x, setup_.store->stage(x.batch.get(), x.if_absent, known,
                                  setup_.now()));
  });
  return false;
}

bool disk_tier_state::handle(remove_op& op) {
  remove_report report;
  if (setup_.store->try_stage(op.batch, setup_.now(), report)) {
    finish(op, std::move(report));
    return true;
  }
  checking_ = true;
  probe(keys_of(op.batch), [this](const lookups& known) {
    auto& x = std::get<remove_op>(line_.front());
    finish(x, setup_.store->stage(x.batch, known, setup_.now()));
  });
  return false;
}

bool disk_tier_state::handle(purge_op& op) {
  // What was staged before is seen by the purge, and it leaves alone what is
  // newer: the line does not have to wait for it.
  ++in_flight_;
  auto reply = op.reply;
  self_->request(writer_, caf::infinite, purge_atom_v, op.what, op.up_to)
    .then(
      [this, reply](std::uint64_t n) mutable {
        --in_flight_;
        finish_purge(std::move(reply), n);
        end_if_idle();
      },
      [this, reply](caf::error& why) mutable {
        reply.deliver(make_error(to_failure(why)));
        --in_flight_;
        end_if_idle();
      });
  return true;
}

/// What was staged is hidden by markers, which are not on disk yet.
void disk_tier_state::finish_purge(promise<std::uint64_t> reply,
                                   std::uint64_t n) {
  if (setup_.opts.durability == "every-commit" && !last_commit_
      && setup_.store->staged_bytes() > 0)
    held_.emplace_back([reply, n](const failure& why) mutable {
      if (why)
        reply.deliver(make_error(why));
      else
        reply.deliver(n);
    });
  else
    reply.deliver(n);
  changed();
}

void disk_tier_state::finish(const store_op& op, store_report report) {
  auto reply = [this, reply = op.reply, start = op.start,
                report](const failure& why) mutable {
    if (why) {
      report.failed += std::exchange(report.stored, 0);
      report.why = report.why ? report.why : why;
    }
    counters_.count(report);
    counters_.store_latency.record(clock::now() - start);
    reply.deliver(std::move(report));
  };
  if (setup_.opts.durability == "every-commit" && report.stored > 0)
    held_.emplace_back(std::move(reply));
  else
    reply({});
  changed();
}

void disk_tier_state::finish(const remove_op& op, remove_report report) {
  counters_.removes += op.batch.size();
  auto reply = [reply = op.reply, report](const failure& why) mutable {
    if (why) {
      report.existed.assign(report.existed.size(), false);
      report.why = report.why ? report.why : why;
    }
    reply.deliver(std::move(report));
  };
  if (setup_.opts.durability == "every-commit")
    held_.emplace_back(std::move(reply));
  else
    reply({});
  changed();
}

// -- commits ------------------------------------------------------------------

/// Something may wait for a commit: now, or when half of the interval is over.
/// The other half is for writing and syncing.
void disk_tier_state::changed() {
  if (!held_.empty() || setup_.store->staged_bytes() >= setup_.opts.commit_size)
    commit();
  else if (setup_.store->pending_bytes() > 0)
    commit_later(setup_.opts.commit_interval / 2);
}

void disk_tier_state::commit_later(milliseconds delay) {
  if (timer_)
    return;
  timer_ = true;
  self_->delayed_anon_send(disk_tier_actor{self_}, delay, commit_atom_v);
}

void disk_tier_state::commit() {
  if (why_ && timer_ && !stopping_)
    return; // the pause after a failure
  if (committing_) {
    again_ = true;
    return;
  }
  committing_ = true;
  again_ = false;
  in_commit_.swap(held_);
  ++in_flight_;
  self_->request(writer_, caf::infinite, commit_atom_v)
    .then([this](bool merging) { committed(merging); },
          [this](caf::error& why) { commit_failed(to_failure(why)); });
}

void disk_tier_state::committed(bool merging) {
  --in_flight_;
  committing_ = false;
  note_renewals();
  if (why_)
    log_of("disk").info("commits succeed again");
  why_ = {};
  pause_ = milliseconds{0};
  for (auto& reply : std::exchange(in_commit_, {}))
    reply({});
  if (stopping_ && !again_) {
    last_commit_ = true;
    return end_if_idle();
  }
  if (merging || again_)
    commit();
  else
    changed();
  run_line();
}

void disk_tier_state::commit_failed(const failure& why) {
  --in_flight_;
  committing_ = false;
  note_renewals();
  if (!why_ || why_.code != why.code)
    log_of("disk").error("commit failed, trying again: {}", to_string(why));
  why_ = why;
  for (auto& reply : std::exchange(in_commit_, {}))
    reply(why);
  if (stopping_) {
    for (auto& reply : std::exchange(held_, {}))
      reply(why);
    log_of("disk").error("{} bytes of changes are lost",
                         setup_.store->staged_bytes());
    last_commit_ = true;
    return end_if_idle();
  }
  pause_ = std::clamp(2 * pause_, setup_.opts.commit_interval, longest_pause);
  commit_later(pause_);
  run_line();
}

/// Syncing everything takes its time: a thread of its own does it.
void disk_tier_state::checkpoint() {
  if (!syncer_ || syncing_ || stopping_
      || clock::now() - synced_ < checkpoint_interval)
    return;
  syncing_ = true;
  synced_ = clock::now();
  ++in_flight_;
  auto done = [this] {
    syncing_ = false;
    --in_flight_;
    end_if_idle();
  };
  self_->request(syncer_, caf::infinite, commit_atom_v)
    .then(
      [done](bool ok) {
        if (!ok)
          log_of("disk").warn("a checkpoint could not be made");
        done();
      },
      [done](caf::error&) { done(); });
}

/// Says so when the engine had to begin with empty files.
void disk_tier_state::note_renewals() {
  auto n = setup_.store->renewals();
  if (n == renewals_)
    return;
  renewals_ = n;
  log_of("disk").error("the files were of no use and are begun anew: {}",
                       to_string(setup_.store->last_failure()));
}

void disk_tier_state::sweep() {
  self_->delayed_anon_send(disk_tier_actor{self_}, setup_.opts.sweep_interval,
                           sweep_atom_v);
  checkpoint();
  if (sweeping_ || stopping_)
    return;
  sweeping_ = true;
  ++in_flight_;
  self_->request(writer_, caf::infinite, sweep_atom_v)
    .then(
      [this](bool more) {
        --in_flight_;
        sweeping_ = false;
        note_renewals();
        if (more && !stopping_)
          caf::anon_send(disk_tier_actor{self_}, sweep_atom_v);
        end_if_idle();
      },
      [this](caf::error&) {
        --in_flight_;
        sweeping_ = false;
        end_if_idle();
      });
}

} // namespace terrace
