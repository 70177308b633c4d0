// The part of the Redis tier that gives work to its connections.
#include "actors/redis_tier.hpp"

#include <algorithm>

namespace terrace {

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
  log_->error("redis {}: a connection's actor died", setup_.where);
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
  if (auto* x = std::get_if<page_request>(&first)) {
    start(on, list_job{x->wanted, {}});
  } else if (auto* x = std::get_if<count_request>(&first)) {
    start(on, list_job{x->wanted, {}});
  } else if (auto* x = std::get_if<fetch_request>(&first)) {
    fetch_job job{std::move(x->wanted), {}};
    while (!reads_.empty()) {
      auto* next = std::get_if<fetch_request>(&reads_.front());
      if (!next || job.wanted.size() + next->size > setup_.opts.max_batch)
        break;
      job.wanted.insert(job.wanted.end(),
                        std::make_move_iterator(next->wanted.begin()),
                        std::make_move_iterator(next->wanted.end()));
      on.requests.push_back(pop(reads_));
    }
    start(on, std::move(job));
  } else {
    start(on, probe_job{});
  }
}

void redis_tier_state::start_writing(slot& on) {
  on.requests.push_back(pop(writes_));
  auto& first = on.requests.front();
  std::size_t size = weight_of(first);
  // Requests of one kind that follow each other become one job.
  auto merge = [&](auto& job, auto add) {
    using request = std::decay_t<decltype(add(job, first))>;
    while (!writes_.empty()) {
      auto* next = std::get_if<request>(&writes_.front());
      size += weight_of(writes_.front());
      if (!next || size > setup_.opts.max_batch)
        break;
      on.requests.push_back(pop(writes_));
      add(job, on.requests.back());
    }
  };
  (void) merge;
}

} // namespace terrace
