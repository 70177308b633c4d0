// Look-ups: which thread answers them.

#include "actors/disk_tier.hpp"

#include <algorithm>
#include <iterator>

namespace terrace {

namespace {

/// Waiting look-ups are put together up to this many keys.
constexpr std::size_t batch_keys = 256;

/// Keys that may wait for a reader; past it, look-ups fail as `overloaded`.
constexpr std::size_t max_waiting_keys = 200'000;

lookups all_failed(std::size_t n, errc code) {
  return lookups(n, lookup::failed(code));
}

} // namespace

caf::result<lookups> disk_tier_state::fetch(const keys& xs) {
  auto start = clock::now();
  lookups found;
  if (stopping_)
    found = all_failed(xs.size(), errc::shutting_down);
  else if (waiting_keys_ + xs.size() > max_waiting_keys)
    found = all_failed(xs.size(), errc::overloaded);
  else if (!line_.empty() && in_line(xs)) {
    auto reply = self_->make_response_promise<lookups>();
    waiting_keys_ += xs.size();
    enqueue(fetch_op{xs, start, reply});
    return reply;
  } else if (setup_.store->fetch_staged(xs, setup_.now(), found)) {
    counters_.fetch_latency.record(clock::now() - start);
  } else {
    auto reply = self_->make_response_promise<lookups>();
    waiting_keys_ += xs.size();
    reads_.emplace_back(fetch_job{xs, start, reply});
    dispatch();
    return reply;
  }
  counters_.count(found);
  return found;
}

/// The turn of a look-up that waited in the line.
bool disk_tier_state::handle(fetch_op& op) {
  lookups found;
  if (setup_.store->fetch_staged(op.wanted, setup_.now(), found)) {
    waiting_keys_ -= op.wanted.size();
    counters_.fetch_latency.record(clock::now() - op.start);
    counters_.count(found);
    op.reply.deliver(std::move(found));
  } else {
    reads_.emplace_back(
      fetch_job{std::move(op.wanted), op.start, std::move(op.reply)});
    dispatch();
  }
  return true;
}

/// Asks about the first change of the line, in front of all look-ups: others
/// wait for it.
void disk_tier_state::probe(keys xs, std::function<void(const lookups&)> then) {
  reads_.emplace_front(probe_job{std::move(xs), std::move(then)});
  dispatch();
}

void disk_tier_state::dispatch() {
  while (!idle_.empty() && !reads_.empty()) {
    auto reader = std::move(idle_.back());
    idle_.pop_back();
    auto job = std::move(reads_.front());
    reads_.pop_front();
    std::visit([&](auto& x) { run(reader, std::move(x)); }, job);
  }
}

/// Sends a request to a reader, which has nothing else to do meanwhile, and
/// gives it the next job afterwards.
template <class T, class OnValue, class OnFailure, class... Ts>
void disk_tier_state::ask(const disk_reader_actor& reader, OnValue on_value,
                          OnFailure on_failure, Ts&&... xs) {
  auto done = [this, reader] {
    --in_flight_;
    // Not if it was lost meanwhile.
    if (std::find(readers_.begin(), readers_.end(), reader) != readers_.end())
      idle_.push_back(reader);
    dispatch();
    end_if_idle();
  };
  ++in_flight_;
  self_->request(reader, caf::infinite, std::forward<Ts>(xs)...)
    .then(
      [on_value, done](T& x) mutable {
        on_value(x);
        done();
      },
      [on_failure, done](caf::error& why) mutable {
        on_failure(to_failure(why));
        done();
      });
}

void disk_tier_state::run(const disk_reader_actor& reader, fetch_job first) {
  auto all = std::move(first.wanted);
  std::vector<fetch_part> parts;
  parts.push_back({all.size(), first.start, std::move(first.reply)});
  while (!reads_.empty()) {
    auto* next = std::get_if<fetch_job>(&reads_.front());
    if (!next || all.size() + next->wanted.size() > batch_keys)
      break;
    parts.push_back({next->wanted.size(), next->start, std::move(next->reply)});
    all.insert(all.end(), std::make_move_iterator(next->wanted.begin()),
               std::make_move_iterator(next->wanted.end()));
    reads_.pop_front();
  }
  waiting_keys_ -= all.size();
  auto n = all.size();
  ask<lookups>(
    reader, [this, parts](lookups& x) { answer(parts, std::move(x)); },
    [this, parts, n](const failure& why) {
      answer(parts, all_failed(n, why.code));
    },
    fetch_atom_v, std::move(all));
}

void disk_tier_state::answer(std::vector<fetch_part> parts, lookups found) {
  auto damaged = std::any_of(found.begin(), found.end(),
                             [](auto& x) { return x.code == errc::corrupt; });
  counters_.count(found);
  auto next = std::make_move_iterator(found.begin());
  for (auto& part : parts) {
    auto end = next + static_cast<std::ptrdiff_t>(part.size);
    counters_.fetch_latency.record(clock::now() - part.start);
    part.reply.deliver(lookups(next, end));
    next = end;
  }
  if (damaged)
    commit_later(setup_.opts.commit_interval); // deletes the record
}

void disk_tier_state::run(const disk_reader_actor& reader, probe_job job) {
  auto n = job.wanted.size();
  auto go_on = [this, then = std::move(job.then)](const lookups& known) {
    if (line_.empty())
      return; // rejected meanwhile
    checking_ = false;
    then(known);
    dequeue();
    run_line();
  };
  ask<lookups>(
    reader, [go_on](lookups& x) { go_on(x); },
    [go_on, n](const failure& why) { go_on(all_failed(n, why.code)); },
    probe_atom_v, std::move(job.wanted));
}

void disk_tier_state::run(const disk_reader_actor& reader, list_job job) {
  auto reply = std::move(job.reply);
  ask<key_page>(
    reader, [reply](key_page& x) mutable { reply.deliver(std::move(x)); },
    [reply](const failure& why) mutable { reply.deliver(make_error(why)); },
    list_atom_v, std::move(job.request));
}

void disk_tier_state::run(const disk_reader_actor& reader, count_job job) {
  auto reply = std::move(job.reply);
  ask<std::uint64_t>(
    reader, [reply](std::uint64_t& x) mutable { reply.deliver(x); },
    [reply](const failure& why) mutable { reply.deliver(make_error(why)); },
    count_atom_v, job.tenant);
}

caf::result<key_page> disk_tier_state::list(const list_request& x) {
  if (stopping_)
    return make_error(errc::shutting_down);
  auto reply = self_->make_response_promise<key_page>();
  reads_.emplace_back(list_job{x, reply});
  dispatch();
  return reply;
}

caf::result<std::uint64_t> disk_tier_state::count(tenant_id tenant) {
  if (stopping_)
    return make_error(errc::shutting_down);
  auto reply = self_->make_response_promise<std::uint64_t>();
  reads_.emplace_back(count_job{tenant, reply});
  dispatch();
  return reply;
}

} // namespace terrace
