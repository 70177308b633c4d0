// The part of the Redis tier that answers its requests, with what a job brought
// or without.
#include "actors/redis_tier.hpp"

namespace terrace {

void redis_tier_state::answer(std::vector<redis_request>& to, redis_job& job) {
  if (auto* found = std::get_if<fetch_job>(&job.task)) {
    answer_fetch(to, *found);
  } else if (auto* stored = std::get_if<store_job>(&job.task)) {
    answer_store(to, stored->outcomes, job.why);
  } else if (auto* removed = std::get_if<remove_job>(&job.task)) {
    answer_remove(to, *removed, job.why);
  } else if (auto* swapped = std::get_if<swap_job>(&job.task)) {
    answer_swaps(to, *swapped, job.why);
  } else if (auto* replayed = std::get_if<replay_job>(&job.task)) {
    replay_done(replayed->changes, job.why, job.local);
  } else if (job.why) {
    auto* replay = std::get_if<replay_request>(&to.front());
    if (replay)
      replay_done({}, job.why, job.local);
    else
      for (auto& x : to)
        fail(x, job.why);
  } else if (auto* purged = std::get_if<purge_job>(&job.task)) {
    answer_purge(to.front(), purged->page);
  } else if (auto* listed = std::get_if<list_job>(&job.task)) {
    answer_list(to.front(), listed->page);
  } else if (auto* beaten = std::get_if<beat_request>(&to.front())) {
    beaten->promise.deliver(true);
  } else if (auto* leased = std::get_if<lease_job>(&job.task)) {
    if (auto& x = std::get<lease_request>(to.front()); x.promise.pending())
      x.promise.deliver(leased->held_ms);
  } else {
    server_ = std::move(std::get<probe_job>(job.task).server);
  }
}

void redis_tier_state::answer_fetch(std::vector<redis_request>& to,
                                    fetch_job& done) {
  auto& found = done.found;
  if (std::holds_alternative<look_request>(to.front())) {
    for (std::size_t i = 0; i < to.size(); ++i)
      std::get<look_request>(to[i]).promise.deliver(std::move(found[i]));
    return;
  }
  auto now = self_->clock().now();
  if (to.size() == 1) {
    deliver(std::get<fetch_request>(to.front()), std::move(found), now);
    return;
  }
  auto first = found.begin();
  for (auto& x : to) {
    auto& request = std::get<fetch_request>(x);
    auto last = first + static_cast<std::ptrdiff_t>(request.size);
    deliver(request,
            {std::make_move_iterator(first), std::make_move_iterator(last)},
            now);
    first = last;
  }
}

void redis_tier_state::answer_store(
  std::vector<redis_request>& to,
  const std::vector<redis_store::put_outcome>& outcomes, const failure& why) {
  using outcome = redis_store::put_outcome;
  auto next = outcomes.begin();
  for (auto& x : to) {
    auto& request = std::get<store_request>(x);
    store_report report;
    for (auto& one : request.batch.get()) {
      auto what = *next++;
      report.stored += what == outcome::stored;
      report.refused += what == outcome::refused;
      report.failed += what == outcome::failed;
      if (what == outcome::failed && !request.if_absent) {
        missed_->note(one);
        fall_behind(request.arrived);
      }
    }
    if (report.failed > 0)
      report.why = why;
    deliver(request, std::move(report));
  }
}

void redis_tier_state::answer_remove(std::vector<redis_request>& to,
                                     const remove_job& done,
                                     const failure& why) {
  using outcome = redis_store::remove_outcome;
  auto next = done.outcomes.begin();
  for (auto& x : to) {
    auto& request = std::get<remove_request>(x);
    remove_report report;
    bool failed = false;
    for (auto& one : request.gone) {
      auto what = *next++;
      report.existed.push_back(what == outcome::existed);
      if (what != outcome::failed)
        continue;
      failed = true;
      missed_->note(one);
    }
    if (failed)
      report.why = why;
    else
      counters_.removes += request.gone.size();
    request.promise.deliver(std::move(report));
  }
}

void redis_tier_state::answer_swaps(std::vector<redis_request>& to,
                                    const swap_job& done, const failure& why) {
  using outcome = redis_store::swap_outcome;
  for (std::size_t i = 0; i < to.size(); ++i) {
    auto what = done.outcomes[i];
    if (what == outcome::failed)
      fail(to[i], why);
    else
      std::get<swap_request>(to[i]).promise.deliver(what == outcome::made);
  }
}

void redis_tier_state::answer_purge(redis_request& to,
                                    redis_store::purge_page& page) {
  if (auto* replay = std::get_if<replay_request>(&to)) {
    if (page.done || page.why) {
      replay_done(page.why ? missed_batch{} : replay->changes, page.why, true);
      return;
    }
    replay->cursor = std::move(page.next);
    enqueue(writes_, std::move(to));
    return;
  }
  auto& request = std::get<purge_request>(to);
  request.purged += page.removed;
  request.cursor = std::move(page.next);
  if (page.why)
    request.why = std::move(page.why);
  if (!page.done)
    enqueue(writes_, std::move(to));
  else if (request.why)
    fail(to, failure{request.why});
  else
    request.promise.deliver(request.purged);
}

void redis_tier_state::answer_list(redis_request& to, key_page& page) {
  if (auto* request = std::get_if<page_request>(&to)) {
    request->promise.deliver(std::move(page));
    return;
  }
  auto& request = std::get<count_request>(to);
  request.counted += page.found.size();
  request.wanted.cursor = std::move(page.next);
  if (page.done)
    request.promise.deliver(request.counted);
  else
    enqueue(reads_, std::move(to));
}

void redis_tier_state::fail(redis_request& x, const failure& why) {
  struct visitor {
    redis_tier_state& tier;
    const failure& why;

    void operator()(fetch_request& x) {
      tier.deliver(x, lookups(x.size, lookup::failed(why.code)),
                   tier.self_->clock().now());
    }

    void operator()(store_request& x) {
      auto& xs = x.batch.get();
      // A promotion brings nothing new: there is nothing to make up for.
      if (!x.if_absent) {
        for (auto& one : xs)
          tier.missed_->note(one);
        tier.fall_behind(x.arrived);
      }
      tier.deliver(x, {0, 0, xs.size(), why});
    }

    void operator()(remove_request& x) {
      for (auto& one : x.gone)
        tier.missed_->note(one);
      tier.fall_behind(x.arrived);
      x.promise.deliver(remove_report{std::vector<bool>(x.gone.size()), why});
    }

    void operator()(purge_request& x) {
      tier.missed_->note(x.what, x.up_to);
      tier.fall_behind(x.arrived);
      x.promise.deliver(make_error(why));
    }

    void operator()(page_request& x) {
      x.promise.deliver(make_error(why));
    }

    void operator()(count_request& x) {
      x.promise.deliver(make_error(why));
    }

    void operator()(replay_request&) {
      tier.replay_done({}, why, false);
    }

    void operator()(probe_request&) {
      // nop: nobody waits
    }

    void operator()(beat_request& x) {
      x.promise.deliver(false);
    }

    void operator()(lease_request& x) {
      if (x.promise.pending())
        x.promise.deliver(make_error(why));
    }

    void operator()(swap_request& x) {
      x.promise.deliver(make_error(why));
    }

    void operator()(look_request& x) {
      x.promise.deliver(lookup::failed(why.code));
    }
  };
  std::visit(visitor{*this, why}, x);
}

void redis_tier_state::fall_behind(tick_time since) {
  if (!behind_since_ || since < *behind_since_)
    behind_since_ = since;
}

void redis_tier_state::deliver(fetch_request& to, lookups found,
                               tick_time now) {
  counters_.count(found);
  counters_.fetch_latency.record(now - to.arrived);
  to.promise.deliver(std::move(found));
}

void redis_tier_state::deliver(store_request& to, store_report report) {
  counters_.count(report);
  counters_.store_latency.record(self_->clock().now() - to.arrived);
  to.promise.deliver(std::move(report));
}

} // namespace terrace
