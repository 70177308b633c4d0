// Look-ups: which thread answers them.

#include "actors/disk_tier.hpp"

#include <algorithm>

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
  else if (setup_.store->fetch_staged(xs, setup_.now(), found))
    counters_.fetch_latency.record(clock::now() - start);
  else if (waiting_keys_ + xs.size() > max_waiting_keys)
    found = all_failed(xs.size(), errc::overloaded);
  else
    return read(fetch_job{xs, start, self_->make_response_promise<lookups>()});
  counters_.count(found);
  return found;
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
    ++in_flight_;
    auto job = std::move(reads_.front());
    reads_.pop_front();
    if (auto* first = std::get_if<fetch_job>(&job)) {
      std::vector<fetch_job> jobs;
      auto n = first->wanted.size();
      jobs.push_back(std::move(*first));
      while (!reads_.empty()) {
        auto* next = std::get_if<fetch_job>(&reads_.front());
        if (!next || n + next->wanted.size() > batch_keys)
          break;
        n += next->wanted.size();
        jobs.push_back(std::move(*next));
        reads_.pop_front();
      }
      waiting_keys_ -= n;
      run(reader, std::move(jobs));
    } else {
      std::visit([&](auto& x) { run(reader, std::move(x)); }, job);
    }
  }
}

/// Sends a request to a reader, which has nothing else to do meanwhile, and
/// gives it the next job afterwards.
template <class T, class... Ts>
void disk_tier_state::ask(const disk_reader_actor& reader,
                          std::function<void(T&)> on_value,
                          std::function<void(const failure&)> on_failure,
                          const Ts&... xs) {
  auto done = [this, reader] {
    --in_flight_;
    if (std::find(readers_.begin(), readers_.end(), reader) != readers_.end())
      idle_.push_back(reader);
    dispatch();
    end_if_idle();
  };
  self_->request(reader, caf::infinite, xs...)
    .then(
      [on_value, done](T& x) {
        on_value(x);
        done();
      },
      [on_failure, done](caf::error& why) {
        on_failure(to_failure(why));
        done();
      });
}

void disk_tier_state::run(const disk_reader_actor& reader,
                          std::vector<fetch_job> jobs) {
  keys all;
  if (jobs.size() == 1)
    all = std::move(jobs.front().wanted);
  else
    for (auto& job : jobs)
      all.insert(all.end(), std::make_move_iterator(job.wanted.begin()),
                 std::make_move_iterator(job.wanted.end()));
}

} // namespace terrace
