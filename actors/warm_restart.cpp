// Keeping the keys, and the actor's life.

#include "actors/warm_restart.hpp"

#include "actors/log.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>

namespace terrace {

namespace {

/// Keys of L1 looked at in one step: a writer waits for it, half a millisecond
/// at most.
constexpr std::uint64_t step_budget = 2048;

} // namespace

// -- birth --------------------------------------------------------------------

warm_restart_actor::behavior_type
warm_restart_state::make_behavior(warm_restart_setup setup) {
  setup_ = std::move(setup);
  room_.resize(setup_.memory.size());
  full_.resize(setup_.memory.size());
  batch_.resize(setup_.memory.size());
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self_->set_exit_handler(
    [this](caf::scheduled_actor*, caf::exit_msg& x) { shut_down(x.reason); });
  load();
  self_->delayed_anon_send(warm_restart_actor{self_},
                           setup_.opts.snapshot_interval, tick_atom_v);
  return {
    [this](tick_atom) {
      self_->delayed_anon_send(warm_restart_actor{self_},
                               setup_.opts.snapshot_interval, tick_atom_v);
      begin_walk();
    },
    [this](wake_atom) { next_batch(); },
    [this](stop_atom) { give_up_walk(); },
    [this](status_atom) { return status(); },
    [this](reset_atom) { keeps_ = keep_errors_ = 0; },
  };
}

// -- keeping ------------------------------------------------------------------

void warm_restart_state::begin_walk() {
  if (walk_)
    return; // the one under way serves
  auto shards = setup_.memory.size();
  walk_.emplace(walk{0,
                     0,
                     {max_hot_keys / shards, setup_.max_bytes / shards},
                     {},
                     setup_.steady()});
  walk_on();
}

void warm_restart_state::walk_on() {
  self_
    ->request(setup_.memory[walk_->shard], caf::infinite, hot_atom_v,
              hot_request{walk_->cursor, walk_->ranking.floor(), step_budget})
    .then([this](hot_page& x) { found(x); },
          // The shard is gone, and the node with it.
          [this](const caf::error&) { end_walk(); });
}

void warm_restart_state::found(hot_page& x) {
  walk_->ranking.add(std::move(x.found));
  walk_->cursor = x.cursor;
  if (x.cursor == 0) {
    walk_->done.push_back(walk_->ranking.take());
    ++walk_->shard;
  }
  if (walk_->shard < setup_.memory.size())
    walk_on();
  else
    keep();
}

void warm_restart_state::keep() {
  auto xs = merge_hottest(std::move(walk_->done));
  add_rest(xs);
  auto now = setup_.now();
  if (auto ok = write_hot_keys(setup_.file, xs, now); ok) {
    ++keeps_;
    kept_ms_ = now;
    kept_keys_ = xs.size();
    log_of("warming").debug("kept {} keys", xs.size());
  } else {
    ++keep_errors_;
    log_of("warming").warn("the keys of memory are not kept: {}",
                           to_string(ok.error()));
  }
  keep_us_ = static_cast<std::uint64_t>((setup_.steady() - walk_->started)
                                        / std::chrono::microseconds{1});
  end_walk();
}

void warm_restart_state::add_rest(hot_keys& xs) const {
  if (done_ == list_.size())
    return;
  std::size_t bytes = 0;
  std::unordered_set<std::string_view> known;
  auto n = xs.size();
  xs.reserve(n + list_.size() - done_); // views stay good
  for (auto& x : xs) {
    known.insert(x.key);
    bytes += kept_size(x);
  }
  for (auto i = done_; i < list_.size() && bytes < setup_.max_bytes; ++i) {
    if (known.count(list_[i].key) != 0)
      continue;
    bytes += kept_size(list_[i]);
    xs.push_back(list_[i]);
    // It is in its place behind them all.
    xs.back().hotness = std::min(xs.back().hotness,
                                 n == 0 ? list_[i].hotness : xs[n - 1].hotness);
  }
}

void warm_restart_state::end_walk() {
  walk_.reset();
  if (stopping_)
    self_->quit(*stopping_);
}

void warm_restart_state::give_up_walk() {
  if (!stopping_)
    return;
  log_of("warming").warn("the keys of memory are too many to be kept now");
  self_->quit(*stopping_);
}

// -- life ---------------------------------------------------------------------

actor_status warm_restart_state::status() const {
  actor_status result;
  result.name = name;
  auto& x = outcomes_;
  result.counters = {
    {"kept_keys", kept_keys_},
    {"keeps", keeps_},
    {"keep_errors", keep_errors_},
    {"keep_us", keep_us_},
    {"preload_keys", x.keys},
    {"preload_left", x.left()},
    {"preload_found", x.found},
    {"preload_present", x.present},
    {"preload_missing", x.missing},
    {"preload_expired", x.expired},
    {"preload_unfit", x.unfit},
    {"preload_failed", x.failed},
    {"preload_ms", static_cast<std::uint64_t>(preload_ms_)},
    {"preload_damaged", damaged_ ? 1 : 0},
  };
  if (kept_ms_)
    result.counters["kept_age_ms"] = static_cast<std::uint64_t>(
      std::max<std::int64_t>(setup_.now() - *kept_ms_, 0));
  result.latency = latency_.snapshot();
  return result;
}

void warm_restart_state::shut_down(const caf::error& reason) {
  if (stopping_)
    return;
  stopping_ = reason ? reason : caf::error{caf::exit_reason::user_shutdown};
  self_->delayed_anon_send(warm_restart_actor{self_}, patience, stop_atom_v);
  begin_walk();
}

warm_restart_actor::behavior_type
warm_restart(warm_restart_actor::stateful_pointer<warm_restart_state> self,
             warm_restart_setup setup) {
  return self->state.make_behavior(std::move(setup));
}

} // namespace terrace
