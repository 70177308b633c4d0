// Looking up what memory held before the start.

#include "actors/warm_restart.hpp"

#include "actors/log.hpp"

#include <algorithm>

namespace terrace {

namespace {

/// Values of a batch, about, which is all of it if one is larger.
constexpr std::uint64_t batch_bytes = 1u << 20;

/// Pauses after tries that failed double from the first to the longest; then
/// it is a minute until the last.
constexpr milliseconds first_pause{50};
constexpr milliseconds longest_pause{500};
constexpr unsigned max_tries = 120;

/// Whether asking again may help.
bool is_passing(errc x) noexcept {
  return x == errc::timeout || x == errc::unavailable || x == errc::breaker_open
         || x == errc::overloaded;
}

} // namespace

void warm_restart_state::load() {
  auto file = read_hot_keys(setup_.file);
  if (!file) {
    damaged_ = true;
    log_of("warming").warn("memory begins empty: {}", to_string(file.error()));
    return;
  }
  if (!*file)
    return;
  auto& x = **file;
  if (x.damage) {
    damaged_ = true;
    log_of("warming").warn("{} is not whole: {}", setup_.file,
                           to_string(x.damage));
  }
  list_ = std::move(x.found);
  kept_keys_ = outcomes_.keys = list_.size();
  kept_ms_ = x.taken_ms;
  preload_began_ms_ = setup_.now();
  next_batch();
}

void warm_restart_state::next_batch() {
  if (stopping_ || open_ > 0 || list_.empty())
    return;
  auto waits = std::any_of(batch_.begin(), batch_.end(),
                           [](auto& xs) { return !xs.empty(); });
  if (waits) {
    send_batch(); // once more
    return;
  }
  open_ = setup_.memory.size();
  auto settle = [this] {
    if (--open_ == 0)
      fill_batch();
  };
  for (std::size_t i = 0; i < setup_.memory.size(); ++i)
    self_->request(setup_.memory[i], caf::infinite, room_atom_v)
      .then(
        [this, i, settle](std::uint64_t bytes) {
          room_[i] = bytes;
          settle();
        },
        [this, i, settle](const caf::error&) {
          room_[i] = 0;
          settle();
        });
}

void warm_restart_state::fill_batch() {
  auto now = setup_.now();
  std::size_t n = 0;
  std::uint64_t bytes = 0;
  for (; next_ < list_.size() && n < pace_.batch() && bytes < batch_bytes;
       ++next_) {
    auto& x = list_[next_];
    auto shard = setup_.view->shard_of(setup_.view->hash(x.key));
    if (x.expires_ms != 0 && x.expires_ms <= now) {
      ++outcomes_.expired;
    } else if (full_[shard] || x.bytes > room_[shard]) {
      full_[shard] = true;
      ++outcomes_.unfit;
    } else {
      room_[shard] -= x.bytes;
      bytes += x.bytes;
      ++n;
      batch_[shard].push_back(x.key);
    }
  }
  if (n == 0)
    end_preload();
  else
    send_batch();
}

void warm_restart_state::send_batch() {
  answered_ = failed_ = 0;
  sent_ = setup_.steady();
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    if (batch_[i].empty())
      continue;
    ++open_;
    self_
      ->request(setup_.coordinators[i], caf::infinite, warm_atom_v, batch_[i])
      .then(
        [this](const lookups& xs) {
          for (auto& x : xs)
            count(x);
          if (--open_ == 0)
            end_batch();
        },
        [this, n = batch_[i].size()](const caf::error&) {
          failed_ += n;
          if (--open_ == 0)
            end_batch();
        });
  }
}

void warm_restart_state::count(const lookup& x) {
  if (x.what == lookup::outcome::error && is_passing(x.code)) {
    ++failed_;
    return;
  }
  ++answered_;
  if (x.what == lookup::outcome::error)
    ++outcomes_.failed;
  else if (x.what == lookup::outcome::miss)
    ++outcomes_.missing;
  else if (x.from == tier_kind::memory)
    ++outcomes_.present;
  else
    ++outcomes_.found;
}

void warm_restart_state::end_batch() {
  auto again = warm_restart_actor{self_};
  if (answered_ == 0 && ++tries_ < max_tries) {
    auto pause = first_pause * (1 << std::min(tries_ - 1, 7u));
    self_->delayed_anon_send(again, std::min(pause, longest_pause),
                             wake_atom_v);
    return;
  }
  auto gave_up = answered_ == 0;
  outcomes_.failed += failed_;
  tries_ = 0;
  done_ = next_;
  for (auto& xs : batch_)
    xs.clear();
  preload_ms_ = setup_.now() - preload_began_ms_;
  if (gave_up) {
    log_of("warming").warn("the tiers below memory do not answer");
    outcomes_.failed += list_.size() - next_;
    end_preload();
    return;
  }
  auto took = setup_.steady() - sent_;
  latency_.record(took);
  pace_.answered(std::chrono::duration_cast<warm_pace::duration>(took));
  self_->delayed_anon_send(again, pace_.rest(), wake_atom_v);
}

void warm_restart_state::end_preload() {
  list_ = {};
  done_ = next_ = 0;
  auto& x = outcomes_;
  log_of("warming").info(
    "{} of {} keys that memory held are back in it after {} ms: {} were there "
    "already, {} are gone, {} did not fit, {} failed",
    x.found + x.present, x.keys, preload_ms_, x.present, x.missing + x.expired,
    x.unfit, x.failed);
}

} // namespace terrace
