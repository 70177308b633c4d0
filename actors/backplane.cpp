#include "actors/backplane.hpp"

#include "actors/log.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace terrace {

namespace {

/// Longest wait for the channel before the mailbox gets its turn.
constexpr milliseconds longest_wait{50};

/// Messages taken in a row.
constexpr int most_messages = 1000;

/// Keys looked at in Redis at once.
constexpr std::size_t most_looked_at = 500;

/// Pause after a failed attempt to reach the log.
constexpr std::int64_t retry_ms = 200;

/// A node that read the log gives old entries to others for so long: a third of
/// the time that fences stand (tiers/redis_script.hpp).
constexpr std::int64_t promote_ms = 20'000;

/// Time for the last beat.
constexpr milliseconds farewell{200};

} // namespace

backplane_actor::behavior_type
backplane_state::make_behavior(backplane_setup setup) {
  setup_ = std::move(setup);
  auto now = backplane_gauge::steady_ms();
  tracker_.emplace(setup_.announcer->node, now);
  auto figures = std::make_shared<redis_figures>();
  log_.emplace(setup_.redis,
               std::make_shared<redis_topology>(setup_.redis, setup_.servers,
                                                figures),
               setup_.opts.channel, setup_.opts.tracking, figures);
  load_place();
  setup_.gauge->fresh(told_ms_ = tracker_->fresh_ms());
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self_->set_exit_handler(
    [this](caf::scheduled_actor*, caf::exit_msg& x) { stop(x.reason); });
  caf::anon_send(backplane_actor{self_}, tick_atom_v);
  return {
    [this](tick_atom) { tick(); },
    [this](status_atom) { return status(); },
    [this](reset_atom) { counters_ = {}; },
  };
}

// -- steps --------------------------------------------------------------------

void backplane_state::tick() {
  if (stopping_)
    return;
  auto now = backplane_gauge::steady_ms();
  beat(now);
  expected<void> ok;
  if (now >= next_try_) {
    auto fresh = log_->subscribe();
    ok = fresh ? expected<void>{} : fresh.error();
    if (fresh && *fresh && setup_.opts.tracking
        && (std::exchange(tracked_, true) || !setup_.place_file.empty())) {
      log_of("backplane")
        .warn("changes by strangers may have been missed: "
              "dropping what is held");
      drop_everything();
    }
    if (fresh && (*fresh || now >= next_check_ || tracker_->incomplete()))
      ok = read_log(now);
    if (ok && trouble_)
      log_of("backplane").info("in touch with the other nodes again");
    if (!ok && !trouble_)
      log_of("backplane").warn("out of touch: {}", to_string(ok.error()));
    trouble_ = ok.error();
    if (!ok) {
      ++counters_.failures;
      next_try_ = backplane_gauge::steady_ms() + retry_ms;
    }
  }
  update_gauge();
  if (trouble_) {
    self_->delayed_anon_send(backplane_actor{self_}, milliseconds{10},
                             tick_atom_v);
    return;
  }
  listen(
    std::clamp(milliseconds{next_beat_ - now}, milliseconds{0}, longest_wait));
  update_gauge();
  caf::anon_send(backplane_actor{self_}, tick_atom_v);
}

void backplane_state::beat(std::int64_t now_ms) {
  if (now_ms < next_beat_)
    return;
  next_beat_ = now_ms + setup_.opts.beat_interval.count();
  caf::anon_send(setup_.tier, beat_atom_v,
                 std::make_shared<node_beat>(tracker_->next_beat(now_ms)));
  tracker_->forget_silent(now_ms, setup_.opts.peer_timeout.count());
}

void backplane_state::listen(milliseconds limit) {
  for (int n = 0; n < most_messages; ++n) {
    auto message = log_->receive(n == 0 ? limit : milliseconds{0});
    if (!message) {
      // Where it broke off, the log goes on.
      trouble_ = message.error();
      next_try_ = 0;
      ++counters_.failures;
      log_of("backplane").warn("out of touch: {}", to_string(trouble_));
      return;
    }
    if (!*message)
      break;
    take(**std::move(message));
  }
  check_changed();
}

void backplane_state::take(redis_log::message x) {
  if (!x.text.empty()) {
    take_event(x.text);
  } else if (x.everything) {
    changed_.clear();
    log_of("backplane").warn("Redis was flushed: dropping what is held");
    drop_everything();
  } else {
    counters_.tracked += x.changed.size();
    for (auto& key : x.changed)
      changed_.insert(std::move(key));
  }
}

void backplane_state::check_changed() {
  if (changed_.empty())
    return;
  keys all(changed_.begin(), changed_.end());
  changed_.clear();
  auto now = setup_.now();
  for (std::size_t i = 0; i < all.size(); i += most_looked_at) {
    auto n = std::min(all.size() - i, most_looked_at);
    auto first = all.begin() + static_cast<std::ptrdiff_t>(i);
    keys part(first, first + static_cast<std::ptrdiff_t>(n));
    auto versions = log_->versions_of(part, now);
    if (!versions) {
      // The subscription is gone too, and begins with dropping everything.
      trouble_ = versions.error();
      next_try_ = 0;
      ++counters_.failures;
      return;
    }
    for (std::size_t j = 0; j < n; ++j) {
      auto hash = setup_.view->hash(part[j]);
      auto version = (*versions)[j];
      {
        // Mostly it was this node.
        auto pinned = setup_.view->pin();
        auto* node = setup_.view->peek(pinned, part[j], hash, now);
        if (node && node->version() == version)
          continue;
      }
      ++counters_.strange;
      auto up_to = version != 0 ? version - 1 : setup_.clock->next(now);
      forget(setup_.view->shard_of(hash), {{std::move(part[j]), up_to}});
    }
  }
}

void backplane_state::take_event(const std::string& text) {
  auto parsed = parse_backplane_message(text);
  auto now = backplane_gauge::steady_ms();
  if (!parsed) {
    ++counters_.malformed;
    log_of("backplane").debug("not an event: {}", to_string(parsed.error()));
    return;
  }
  if (auto* beat = std::get_if<node_beat>(&*parsed)) {
    tracker_->beat(*beat, now);
    return;
  }
  auto& event = std::get<invalidation_event>(*parsed);
  if (event.node.empty()) {
    invalidate(event);
  } else if (event.node != setup_.announcer->node) {
    auto known_gap = tracker_->incomplete();
    if (tracker_->event(event.node, event.seq, now))
      act_on(std::move(event));
    else
      ++counters_.duplicates;
    counters_.gaps += !known_gap && tracker_->incomplete();
  }
}

// -- acting -------------------------------------------------------------------

std::function<void()> backplane_state::begin_forgetting() {
  auto ticket = ++last_ticket_;
  open_.insert(ticket);
  return [this, ticket] { open_.erase(ticket); };
}

void backplane_state::forget(const selector& what, version_t up_to) {
  auto told = begin_forgetting();
  self_->request(setup_.tier, caf::infinite, forget_atom_v, what, up_to)
    .then([told](std::uint64_t) { told(); },
          [told](const caf::error&) { told(); });
  auto done = begin_forgetting();
  self_->request(setup_.invalidator, caf::infinite, forget_atom_v, what, up_to)
    .then([done](const invalidation_report&) { done(); },
          [done](const caf::error&) { done(); });
}

void backplane_state::forget(std::size_t shard, removals xs) {
  auto done = begin_forgetting();
  self_
    ->request(setup_.coordinators[shard], caf::infinite, forget_atom_v,
              std::move(xs))
    .then([done](std::uint64_t) { done(); },
          [done](const caf::error&) { done(); });
}

void backplane_state::act_on(invalidation_event x) {
  ++counters_.events;
  if (x.keys.empty()) {
    forget(x.what, x.up_to);
    return;
  }
  auto told = begin_forgetting();
  self_->request(setup_.tier, caf::infinite, forget_atom_v, x.keys)
    .then([told](std::uint64_t) { told(); },
          [told](const caf::error&) { told(); });
  std::vector<removals> parts(setup_.coordinators.size());
  for (auto& one : x.keys)
    parts[setup_.view->shard_of(setup_.view->hash(one.key))].push_back(
      std::move(one));
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (!parts[i].empty())
      forget(i, std::move(parts[i]));
}

void backplane_state::invalidate(const invalidation_event& x) {
  ++counters_.foreign;
  auto send = [&](selector what) {
    caf::anon_send(setup_.invalidator, invalidate_atom_v, std::move(what),
                   x.reason.empty() ? std::string{"channel"} : x.reason);
  };
  for (auto& one : x.keys)
    send({selector::kind::key, tenant_of(one.key),
          std::string{user_key(one.key)}});
  if (x.keys.empty())
    send(x.what);
}

void backplane_state::drop_everything() {
  ++counters_.drops;
  tracker_->begin_anew();
  forget(selector{}, setup_.clock->next(setup_.now()));
}

// -- log ----------------------------------------------------------------------

expected<void> backplane_state::read_log(std::int64_t now_ms) {
  ++counters_.log_reads;
  auto reach = place_ ? log_->reach_of(*place_)
                      : expected<redis_log::reach>{redis_log::reach::trimmed};
  if (!reach)
    return reach.error();
  if (*reach != redis_log::reach::whole)
    if (auto ok = begin_anew(*reach); !ok)
      return ok;
  for (;;) {
    auto page = log_->read_after(*place_);
    if (!page)
      return page.error();
    for (auto& text : page->events)
      take_logged(text, now_ms);
    place_ = page->last;
    if (page->done)
      break;
  }
  if (!tracker_->log_was_read(now_ms)) {
    log_of("backplane")
      .warn("events were lost with the log: dropping what is "
            "held");
    drop_everything();
  }
  if (!tracker_->in_doubt())
    promote_ = {last_ticket_, now_ms + promote_ms};
  next_check_ = now_ms + setup_.opts.check_interval.count();
  save_place();
  return {};
}

void backplane_state::take_logged(const std::string& text,
                                  std::int64_t now_ms) {
  auto parsed = parse_backplane_message(text);
  auto* event = parsed ? std::get_if<invalidation_event>(&*parsed) : nullptr;
  if (!event || event->node.empty() || event->node == former_
      || !tracker_->event(event->node, event->seq, now_ms))
    return;
  ++counters_.from_log;
  act_on(std::move(*event));
}

expected<void> backplane_state::begin_anew(redis_log::reach reach) {
  // The log exists then, and what comes later comes behind this.
  auto hello = log_->append(to_json(tracker_->next_beat(0)));
  if (!hello)
    return hello.error();
  if (reach == redis_log::reach::fresh) {
    // Nothing is lost if every node says that it wrote nothing unknown here.
    log_of("backplane").warn("the log of changes began anew");
    tracker_->log_was_lost();
    place_ = log_place{};
    return {};
  }
  if (place_)
    log_of("backplane")
      .warn("the log does not reach back far enough: dropping what is held");
  // Without a place to go on from, nobody knows what disk holds.
  if (place_ || !setup_.place_file.empty())
    drop_everything();
  place_ = *hello;
  return {};
}

// -- place on disk ------------------------------------------------------------

void backplane_state::load_place() {
  if (setup_.place_file.empty())
    return;
  std::ifstream in{setup_.place_file};
  std::string place;
  std::int64_t at_ms = 0;
  if (!(in >> place >> at_ms >> former_))
    return;
  place_ = parse_log_place(place);
  auto now = backplane_gauge::steady_ms();
  auto age = std::max<std::int64_t>(setup_.now() - at_ms, 0);
  tracker_.emplace(setup_.announcer->node, now - age);
  std::string node;
  std::uint64_t seq = 0;
  while (in >> node >> seq)
    tracker_->remember(node, seq, now);
}

void backplane_state::mark_place() {
  safe_ = place_;
  safe_ticket_ = last_ticket_;
  safe_peers_.clear();
  for (auto& [node, x] : tracker_->peers())
    safe_peers_[node] = x.complete;
}

/// What the file says has been done, and has had time to reach the disk.
void backplane_state::save_place() {
  if (setup_.place_file.empty())
    return;
  auto done = open_.empty() || *open_.begin() > safe_ticket_;
  if (safe_ && done) {
    auto fresh = setup_.place_file + ".new";
    std::ofstream out{fresh};
    out << to_string(*safe_) << ' ' << setup_.now() << ' '
        << setup_.announcer->node << '\n';
    for (auto& [node, seq] : safe_peers_)
      out << node << ' ' << seq << '\n';
    out.close();
    if (!out || std::rename(fresh.c_str(), setup_.place_file.c_str()) != 0)
      log_of("backplane").warn("cannot write {}", setup_.place_file);
  }
  if (!safe_ || done)
    mark_place();
}

// -- figures and end ----------------------------------------------------------

void backplane_state::update_gauge() {
  auto fresh = tracker_->fresh_ms();
  if (fresh < told_ms_) {
    // A node came that may know more.
    fresh_.clear();
    setup_.gauge->fresh(told_ms_ = fresh);
  }
  if (fresh > (fresh_.empty() ? told_ms_ : fresh_.back().second))
    fresh_.emplace_back(last_ticket_, fresh);
  auto oldest = open_.empty() ? last_ticket_ + 1 : *open_.begin();
  if (promote_.first < oldest)
    setup_.gauge->promote_until(promote_.second);
  while (!fresh_.empty() && fresh_.front().first < oldest) {
    setup_.gauge->fresh(told_ms_ = fresh_.front().second);
    fresh_.pop_front();
  }
}

actor_status backplane_state::status() const {
  actor_status result;
  result.name = name;
  auto& x = counters_;
  result.counters = {
    {"staleness_ms", static_cast<std::uint64_t>(setup_.gauge->staleness_ms())},
    {"in_touch", trouble_ ? 0u : 1u},
    {"peers", tracker_->peers().size()},
    {"sent_events", setup_.announcer->seq.load()},
    {"events", x.events},
    {"events_from_log", x.from_log},
    {"duplicate_events", x.duplicates},
    {"foreign_events", x.foreign},
    {"malformed_messages", x.malformed},
    {"gaps", x.gaps},
    {"log_reads", x.log_reads},
    {"drops", x.drops},
    {"failures", x.failures},
    {"open_events", open_.size()},
    {"tracked_changes", x.tracked},
    {"strange_changes", x.strange},
  };
  auto now = backplane_gauge::steady_ms();
  for (auto& [node, peer] : tracker_->peers())
    if (peer.last_beat != 0)
      result.counters["staleness_ms_" + node] = static_cast<std::uint64_t>(
        std::max<std::int64_t>(now - peer.fresh_ms, 0));
  return result;
}

void backplane_state::stop(const caf::error& reason) {
  if (std::exchange(stopping_, true))
    return;
  // The disk tier ends later, and then everything is on disk.
  if (open_.empty() && place_) {
    mark_place();
    save_place();
  }
  auto last = tracker_->next_beat(backplane_gauge::steady_ms());
  last.leaving = true;
  auto end = [this, reason] { self_->quit(reason); };
  self_
    ->request(setup_.tier, farewell, beat_atom_v,
              std::make_shared<node_beat>(std::move(last)))
    .then([end](bool) { end(); }, [end](const caf::error&) { end(); });
}

backplane_actor::behavior_type
backplane(backplane_actor::stateful_pointer<backplane_state> self,
          backplane_setup setup) {
  return self->state.make_behavior(std::move(setup));
}

} // namespace terrace
