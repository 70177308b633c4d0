#include "tiers/redis_topology.hpp"

#include "tiers/redis_slots.hpp"

#include <algorithm>
#include <utility>

namespace terrace {

namespace {

redis_mode read_mode(std::string_view text) noexcept {
  if (text == "cluster")
    return redis_mode::cluster;
  if (text == "sentinel")
    return redis_mode::sentinel;
  return text == "sharded" ? redis_mode::sharded : redis_mode::single;
}

bool by_name(const redis_node_ptr& x, const redis_node_ptr& y) noexcept {
  return x->name() < y->name();
}

} // namespace

// -- constructors -------------------------------------------------------------

redis_topology::redis_topology(const redis_options& opts,
                               std::vector<redis_address> servers,
                               std::shared_ptr<redis_figures> figures)
  : mode_(read_mode(opts.mode)),
    failures_(opts.breaker_failures),
    open_for_(opts.breaker_open_for),
    interval_(opts.health_interval),
    seeds_(std::move(servers)),
    figures_(figures),
    scout_(opts, std::move(figures)) {
  auto first = std::make_shared<redis_map>();
  if (mode_ == redis_mode::single || mode_ == redis_mode::sharded) {
    for (auto& x : seeds_)
      first->servers.push_back(find_node(*first, x));
    std::sort(first->servers.begin(), first->servers.end(), by_name);
  }
  if (mode_ == redis_mode::sharded) {
    std::vector<std::string> names;
    for (auto& x : first->servers)
      names.push_back(x->name());
    first->shards = std::make_shared<redis_shards>(names);
  }
  map_ = std::move(first);
}

// -- properties ---------------------------------------------------------------

std::shared_ptr<const redis_map> redis_topology::map() const {
  std::lock_guard guard{mutex_};
  return map_;
}

bool redis_topology::some_up() const {
  if (!divided())
    return false;
  auto now = map();
  return std::any_of(now->servers.begin(), now->servers.end(),
                     [](auto& x) { return !x->down(); });
}

std::size_t redis_topology::down() const {
  if (!divided())
    return 0;
  auto now = map();
  return static_cast<std::size_t>(
    std::count_if(now->servers.begin(), now->servers.end(),
                  [](auto& x) { return x->down(); }));
}

std::string redis_topology::trouble() const {
  auto now = map();
  std::size_t n = 0;
  std::string reasons;
  for (auto& x : now->servers)
    if (x->down()) {
      ++n;
      reasons += (n == 1 ? ": " : ", ") + x->reason().detail;
    }
  if (n == 0)
    return {};
  return std::to_string(n) + " of " + std::to_string(now->servers.size())
         + " servers" + reasons;
}

void redis_topology::fill(counter_map& out) const {
  if (!divided())
    return;
  out["servers"] = map()->servers.size();
  out["servers_down"] = down();
}

failure redis_topology::why() const {
  std::lock_guard guard{mutex_};
  return why_;
}

// -- finding out --------------------------------------------------------------

void redis_topology::moved(std::uint16_t slot, redis_address to) {
  std::lock_guard guard{mutex_};
  auto next = std::make_shared<redis_map>(*map_);
  auto& servers = next->servers;
  next->slots.resize(redis_slot_count, redis_map::nobody);
  auto node = find_node(*next, std::move(to));
  auto place = std::lower_bound(servers.begin(), servers.end(), node, by_name);
  auto index = static_cast<std::uint16_t>(place - servers.begin());
  if (place == servers.end() || *place != node) {
    servers.insert(place, std::move(node));
    for (auto& x : next->slots)
      x += x >= index && x != redis_map::nobody;
  }
  next->slots[slot] = index;
  install(std::move(next));
  suspect();
}

void redis_topology::refresh(time_point now) {
  if (mode_ == redis_mode::single || mode_ == redis_mode::sharded)
    return;
  auto seen = version();
  std::unique_lock asking{asking_, std::try_to_lock};
  if (!asking) {
    if (!map()->servers.empty())
      return;
    asking.lock();
    if (version() != seen)
      return;
  }
  if (!due(now))
    return;
  figures_->refreshed();
  auto why = mode_ == redis_mode::cluster ? find_cluster() : find_master();
  std::lock_guard guard{mutex_};
  why_ = std::move(why);
}

redis_node_ptr redis_topology::node_at(const redis_address& where) const {
  return find_node(*map(), where);
}

// -- private ------------------------------------------------------------------

bool redis_topology::due(time_point now) {
  std::lock_guard guard{mutex_};
  if (asked_) {
    auto age = now - *asked_;
    const bool turn = interval_.count() > 0 && age >= interval_;
    if (age < min_interval || !(turn || wanted_ || map_->servers.empty()))
      return false;
  }
  asked_ = now;
  wanted_ = false;
  return true;
}

failure redis_topology::find_cluster() {
  // Those that answer first: one that hangs costs a time limit.
  auto known = map()->servers;
  std::vector<redis_address> candidates;
  auto add = [&](const redis_address& x) {
    if (std::find(candidates.begin(), candidates.end(), x) == candidates.end())
      candidates.push_back(x);
  };
  for (auto& x : known)
    if (!x->down())
      add(x->where());
  for (auto& x : seeds_)
    add(x);
  for (auto& x : known)
    add(x->where());
  failure why{errc::unavailable, "no node of the cluster knows its slots"};
  for (auto& x : candidates) {
    auto ranges = scout_.slots(x);
    if (ranges && !ranges->empty()) {
      take_slots(*ranges);
      return {};
    }
    if (!ranges)
      why = ranges.error();
  }
  suspect();
  return why;
}

failure redis_topology::find_master() {
  failure why;
  for (std::size_t i = 0; i < seeds_.size(); ++i) {
    auto where = scout_.master(seeds_[i]);
    if (!where) {
      why = where.error();
      continue;
    }
    // The next question goes to the sentinel that had the answer.
    std::rotate(seeds_.begin(), seeds_.begin() + static_cast<long>(i),
                seeds_.begin() + static_cast<long>(i) + 1);
    auto known = map();
    auto node = find_node(*known, *std::move(where));
    if (known->servers.empty() || known->servers.front() != node) {
      auto next = std::make_shared<redis_map>();
      next->servers.push_back(std::move(node));
      std::lock_guard guard{mutex_};
      install(std::move(next));
    }
    return {};
  }
  suspect();
  return why;
}

void redis_topology::take_slots(const std::vector<redis_slot_range>& ranges) {
  auto known = map();
  auto next = std::make_shared<redis_map>();
  auto address = [&](const redis_slot_range& x) {
    // Login as everywhere in the cluster.
    auto result = seeds_.front();
    result.host = x.host;
    result.port = x.port;
    return result;
  };
  for (auto& x : ranges) {
    auto node = find_node(*known, address(x));
    if (std::none_of(next->servers.begin(), next->servers.end(),
                     [&](auto& y) { return y->name() == node->name(); }))
      next->servers.push_back(std::move(node));
  }
  std::sort(next->servers.begin(), next->servers.end(), by_name);
  next->slots.resize(redis_slot_count, redis_map::nobody);
  for (auto& x : ranges) {
    auto node = find_node(*next, address(x));
    auto i = std::find(next->servers.begin(), next->servers.end(), node);
    std::fill(next->slots.begin() + x.first, next->slots.begin() + x.last + 1,
              static_cast<std::uint16_t>(i - next->servers.begin()));
  }
  if (next->servers != known->servers || next->slots != known->slots) {
    std::lock_guard guard{mutex_};
    install(std::move(next));
  }
}

redis_node_ptr redis_topology::find_node(const redis_map& in,
                                         redis_address where) const {
  auto name = redis_node_name(where);
  for (auto& x : in.servers)
    if (x->name() == name)
      return x;
  return std::make_shared<redis_node>(std::move(where), failures_, open_for_);
}

void redis_topology::install(std::shared_ptr<const redis_map> x) {
  map_ = std::move(x);
  version_.fetch_add(1, std::memory_order_release);
}

} // namespace terrace
