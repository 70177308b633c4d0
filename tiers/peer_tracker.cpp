#include "tiers/peer_tracker.hpp"

#include <algorithm>

namespace terrace {

namespace {

/// Beats whose time of sending is remembered.
constexpr std::size_t most_sent = 4096;

/// Numbers remembered beyond a gap; past it, the log knows.
constexpr std::size_t most_beyond = 65536;

constexpr auto never = std::numeric_limits<std::int64_t>::min();

} // namespace

peer_tracker::peer_tracker(std::string self, std::int64_t now_ms)
  : self_(std::move(self)), echo_ms_(now_ms), log_ms_(now_ms) {
  // nop
}

// -- noting -------------------------------------------------------------------

peer_tracker::peer& peer_tracker::peer_of(const std::string& node,
                                          std::int64_t now_ms) {
  auto [i, fresh] = peers_.try_emplace(node);
  // What it changed before it was heard of is in the log, if anywhere.
  if (fresh) {
    i->second.fresh_ms = log_ms_;
    i->second.doubt = log_lost_;
  }
  i->second.heard_ms = now_ms;
  return i->second;
}

bool peer_tracker::event(const std::string& node, std::uint64_t seq,
                         std::int64_t now_ms) {
  if (node == self_)
    return false;
  auto& x = peer_of(node, now_ms);
  x.highest = std::max(x.highest, seq);
  if (seq <= x.complete || x.more.contains(seq))
    return false;
  if (x.more.size() < most_beyond)
    x.more.insert(seq);
  close_gaps(x);
  return true;
}

void peer_tracker::beat(const node_beat& x, std::int64_t now_ms) {
  if (x.node == self_) {
    echo_ms_ = std::max(echo_ms_, sent_ms(x.beat));
    return;
  }
  auto& from = peer_of(x.node, now_ms);
  from.last_beat = std::max(from.last_beat, x.beat);
  from.highest = std::max(from.highest, x.seq);
  from.leaving = from.leaving || x.leaving;
  if (from.complete >= from.highest)
    from.doubt = false;
  auto mine = x.seen.find(self_);
  if (mine == x.seen.end())
    return;
  auto sent = sent_ms(mine->second);
  auto fresh = sent == never ? never
                             : sent - static_cast<std::int64_t>(x.lag_ms);
  if (fresh > from.beat_fresh) {
    // An earlier one that still waits for events is covered by this one.
    from.beat_fresh = fresh;
    from.beat_seq = x.seq;
  }
  close_gaps(from);
}

node_beat peer_tracker::next_beat(std::int64_t now_ms) {
  node_beat result;
  result.node = self_;
  result.beat = ++beats_;
  for (auto& [node, x] : peers_)
    if (x.last_beat != 0)
      result.seen[node] = x.last_beat;
  sent_.emplace_back(beats_, now_ms);
  if (sent_.size() > most_sent)
    sent_.pop_front();
  return result;
}

void peer_tracker::close_gaps(peer& x) {
  while (!x.more.empty() && *x.more.begin() <= x.complete + 1) {
    x.complete = std::max(x.complete, *x.more.begin());
    x.more.erase(x.more.begin());
  }
  if (x.complete >= x.beat_seq)
    x.fresh_ms = std::max(x.fresh_ms, x.beat_fresh);
}

std::int64_t peer_tracker::sent_ms(std::uint64_t beat) const noexcept {
  if (sent_.empty() || beat < sent_.front().first || beat > sent_.back().first)
    return never;
  return sent_[beat - sent_.front().first].second;
}

// -- gaps ---------------------------------------------------------------------

bool peer_tracker::incomplete() const noexcept {
  return std::any_of(peers_.begin(), peers_.end(), [](auto& x) {
    return x.second.complete < x.second.highest;
  });
}

bool peer_tracker::log_was_read(std::int64_t since_ms) {
  log_ms_ = std::max(log_ms_, since_ms);
  bool whole = true;
  for (auto& [node, x] : peers_) {
    whole = whole && !(x.doubt && x.complete < x.highest);
    x.complete = x.highest;
    x.more.clear();
    close_gaps(x);
  }
  std::erase_if(peers_, [](auto& x) { return x.second.leaving; });
  return whole;
}

void peer_tracker::log_was_lost() noexcept {
  log_lost_ = true;
  for (auto& [node, x] : peers_)
    x.doubt = true;
}

void peer_tracker::begin_anew() noexcept {
  log_lost_ = false;
  for (auto& [node, x] : peers_)
    x.doubt = false;
}

void peer_tracker::remember(const std::string& node, std::uint64_t seq,
                            std::int64_t now_ms) {
  auto& x = peer_of(node, now_ms);
  x.complete = x.highest = seq;
}

bool peer_tracker::in_doubt() const noexcept {
  return std::any_of(peers_.begin(), peers_.end(),
                     [](auto& x) { return x.second.doubt; });
}

void peer_tracker::forget_silent(std::int64_t now_ms, std::int64_t limit_ms) {
  if (!incomplete())
    std::erase_if(peers_, [=](auto& x) {
      return now_ms - x.second.heard_ms > limit_ms;
    });
}

// -- staleness ----------------------------------------------------------------

std::int64_t peer_tracker::fresh_ms() const noexcept {
  auto result = echo_ms_;
  // One that never sent a beat is known from old events in the log alone.
  for (auto& [node, x] : peers_)
    if (x.last_beat != 0)
      result = std::min(result, x.fresh_ms);
  return result;
}

} // namespace terrace
