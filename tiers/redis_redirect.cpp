// The part of redis_router that sends commands again.
#include "tiers/redis_router.hpp"
#include "tiers/redis_script.hpp"
#include "tiers/redis_slots.hpp"

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds longest_pause{50};

/// Copies what `x` views.
void own(redis_reply& x, std::deque<std::string>& bytes) {
  if (!x.text.empty())
    x.text = bytes.emplace_back(x.text);
  for (auto& y : x.elements)
    own(y, bytes);
}

template <class T>
bool read_number(std::string_view text, T& out) noexcept {
  auto* last = text.data() + text.size();
  auto [end, ec] = std::from_chars(text.data(), last, out);
  return ec == std::errc{} && end == last;
}

} // namespace

void redis_router::look_for_retries(std::vector<redis_reply>& replies) {
  auto open = [&](std::uint32_t i) {
    return replies[i].is(reply_kind::error) || replies[i].is(reply_kind::lost);
  };
  std::vector<std::uint32_t> unclear;
  if (retries_.empty()) {
    for (std::uint32_t i = 0; i < commands_.size(); ++i)
      if (open(i))
        unclear.push_back(i);
    if (!unclear.empty())
      note_ends();
  } else {
    for (auto& x : std::exchange(retries_, {}))
      if (open(x.command))
        unclear.push_back(x.command);
  }
  for (auto i : unclear)
    look_at(i, replies[i]);
  if (retries_.empty())
    return;
  topology_->refresh(steady_clock::now());
  const bool changed = version_ != topology_->version();
  if (changed) {
    keep(replies);
    follow_topology();
  }
  // Without news, another server has not taken over.
  std::erase_if(retries_, [&](const retry& x) {
    if (x.target || x.later || x.load)
      return false;
    auto lane = lane_of(commands_[x.command].place);
    return !changed || lane == nobody || lanes_[lane].node == x.from;
  });
}

void redis_router::look_at(std::uint32_t i, const redis_reply& x) {
  const auto mode = topology_->mode();
  const bool cluster = mode == redis_mode::cluster;
  auto& from = commands_[i];
  auto& lane = at(from.lane);
  retry again;
  again.command = i;
  again.from = lane.node;
  if (x.is(reply_kind::lost)) {
    if (from.place == nobody || (!cluster && mode != redis_mode::sentinel))
      return;
  } else if (x.text.starts_with("NOSCRIPT")) {
    again.load = true;
    again.asking = from.asking;
    again.target = lane.node->where();
  } else if (cluster && x.text.starts_with("MOVED ")) {
    redirect(again, x.text);
    figures_->moved();
  } else if (cluster && x.text.starts_with("ASK ")) {
    redirect(again, x.text);
    again.asking = true;
    figures_->asked();
  } else if (cluster
             && (x.text.starts_with("TRYAGAIN")
                 || x.text.starts_with("CLUSTERDOWN"))) {
    topology_->suspect();
    again.later = true;
    if (from.place == nobody)
      again.target = lane.node->where();
  } else if (mode == redis_mode::sentinel
             && x.text.find("READONLY") != x.text.npos) {
    topology_->suspect();
  } else {
    return;
  }
  again.bytes = lane.pipeline.bytes.substr(from.first, from.last - from.first);
  retries_.push_back(std::move(again));
}

void redis_router::redirect(retry& x, std::string_view error) {
  // "MOVED 3999 127.0.0.1:6381", where the host may be missing.
  auto from = x.from->where();
  auto slot_at = error.find(' ') + 1;
  auto host_at = error.find(' ', slot_at) + 1;
  auto colon = error.rfind(':');
  std::uint16_t slot = 0;
  if (host_at == 0 || colon == error.npos || colon < host_at
      || !read_number(error.substr(slot_at, host_at - 1 - slot_at), slot)
      || slot >= redis_slot_count
      || !read_number(error.substr(colon + 1), from.port))
    return;
  if (colon > host_at)
    from.host = error.substr(host_at, colon - host_at);
  if (error.starts_with('M'))
    topology_->moved(slot, from);
  x.target = std::move(from);
}

void redis_router::note_ends() noexcept {
  // From the last to the first: each ends where the next in its lane begins.
  std::vector<std::size_t> ends(lanes_.size() + 1);
  for (std::size_t i = 0; i < lanes_.size(); ++i)
    ends[i] = lanes_[i].pipeline.bytes.size();
  ends.back() = nowhere_.pipeline.bytes.size();
  for (auto i = commands_.rbegin(); i != commands_.rend(); ++i) {
    auto& end = i->lane == nobody ? ends.back() : ends[i->lane];
    i->last = std::exchange(end, i->first);
  }
}

bool redis_router::pause() {
  if (steady_clock::now() + pause_ >= deadline_) {
    std::erase_if(retries_, [](const retry& x) { return x.later; });
    return false;
  }
  std::this_thread::sleep_for(pause_);
  pause_ = std::min(2 * pause_, longest_pause);
  return true;
}

void redis_router::keep(std::vector<redis_reply>& replies) {
  for (std::size_t i = 0; i < replies.size(); ++i)
    if (!std::exchange(commands_[i].kept, true))
      own(replies[i], kept_);
}

void redis_router::send_retries() {
  for (auto& x : lanes_) {
    x.pipeline.clear();
    x.owners.clear();
  }
  nowhere_.pipeline.clear();
  nowhere_.owners.clear();
  std::vector<std::uint32_t> given; // lanes that were given the script
  for (auto& x : retries_) {
    auto& command = commands_[x.command];
    command.lane = x.target ? lane_at(*x.target) : lane_of(command.place);
    command.why = 0;
    command.asking = x.asking;
    command.kept = false;
    auto& to = at(command.lane);
    auto help = [&](std::initializer_list<std::string_view> words) {
      to.pipeline.add(words);
      to.owners.push_back(nobody);
    };
    if (x.load
        && std::find(given.begin(), given.end(), command.lane) == given.end()) {
      help({"SCRIPT", "LOAD", redis_script});
      given.push_back(command.lane);
    }
    if (x.asking)
      help({"ASKING"});
    command.first = to.pipeline.bytes.size();
    to.pipeline.bytes += x.bytes;
    ++to.pipeline.commands;
    command.last = to.pipeline.bytes.size();
    to.owners.push_back(x.command);
  }
}

} // namespace terrace
