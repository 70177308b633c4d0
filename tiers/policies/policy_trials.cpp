#include "tiers/policies/policy_trials.hpp"

#include <algorithm>
#include <cmath>

namespace terrace {

namespace {

/// The first one is in use at the start: no other is far from the best on as
/// many of the traces we have.
constexpr std::string_view names[] = {"s3-fifo", "w-tinylfu", "lfu",
                                      "lru",     "adaptive",  "hybrid",
                                      "slru",    "sieve",     "fifo"};

/// Items in a shadow.
constexpr std::size_t max_items = 4096;

/// Requests after which a miss counts half: as many for each item, but at
/// least as many.
constexpr double half_life = 50;
constexpr double least_half_life = 2000;

/// A look every so many requests for an item, but not after fewer.
constexpr double look_interval = 0.125;
constexpr std::uint64_t least_look_interval = 16;

// What is better, see the header.
constexpr double least_gain = 0.002;
constexpr double deviations = 3;
constexpr double price_alone = 0.25;
constexpr double cost_to_move = 0.2;
constexpr double least_cost_to_rebuild = 0.06;

} // namespace

struct policy_trials::trial {
  explicit trial(std::string_view policy)
    : cache(std::make_unique<shadow_cache>(policy, max_items + 2)) {
    // nop
  }

  std::unique_ptr<shadow_cache> cache;
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
  double misses = 0;      ///< fading
  double differences = 0; ///< from the policy in use, fading
  bool hit = false;       ///< the last time
};

policy_trials::policy_trials() {
  for (auto name : names)
    trials_.emplace_back(name);
}

policy_trials::~policy_trials() = default;

void policy_trials::request(const shadow_request& x, bool counts,
                            std::uint64_t capacity, std::int64_t now_ms,
                            std::vector<std::uint64_t>& evicted) {
  if (!sampled(x.hash))
    return;
  auto room = std::max<std::uint64_t>(capacity >> shift_, x.size);
  for (auto& t : trials_) {
    t.hit = t.cache->request(x, now_ms);
    if (capacity != 0)
      t.cache->shrink(room, now_ms,
                      t.cache.get() == &leader() ? &evicted : nullptr);
  }
  if (!counts)
    return;
  auto items = static_cast<double>(leader().count());
  auto fade = std::exp2(-1 / std::max(half_life * items, least_half_life));
  for (auto& t : trials_) {
    ++t.requests;
    t.hits += t.hit ? 1 : 0;
    t.misses = t.misses * fade + (t.hit ? 0 : 1);
    t.differences = t.differences * fade
                    + (t.hit != trials_[in_use_].hit ? 1 : 0);
  }
  ++requests_;
}

void policy_trials::erase(std::uint64_t hash) {
  if (sampled(hash))
    for (auto& t : trials_)
      t.cache->erase(hash);
}

void policy_trials::shrink(std::uint64_t capacity, std::int64_t now_ms) {
  for (auto& t : trials_)
    t.cache->shrink(capacity >> shift_, now_ms);
}

bool policy_trials::crowded() const noexcept {
  return std::any_of(trials_.begin(), trials_.end(), [](const trial& t) {
    return t.cache->count() > max_items;
  });
}

void policy_trials::thin_out() {
  ++shift_;
  for (auto& t : trials_)
    t.cache->keep([this](std::uint64_t hash) { return sampled(hash); });
}

bool policy_trials::decide(bool alone) {
  if (requests_ < next_look_)
    return false;
  auto items = static_cast<double>(leader().count());
  auto interval = static_cast<std::uint64_t>(items * look_interval);
  next_look_ = requests_ + std::max(interval, least_look_interval);
  const bool rebuilds = !alone || !complete();
  auto price = [=](const trial& x) {
    auto share = rebuilds ? (alone ? price_alone : 1) : 0;
    return x.misses * (1 + x.cache->price() * share);
  };
  auto& from = trials_[in_use_];
  auto to = std::min_element(trials_.begin(), trials_.end(),
                             [&](const trial& x, const trial& y) {
                               return price(x) < price(y);
                             });
  auto gain = price(from) - price(*to);
  if (gain <= 0 || gain < least_gain * from.misses
      || gain < deviations * std::sqrt(to->differences))
    return false;
  auto strange = static_cast<double>(to->cache->strange_to(*from.cache));
  auto cost = strange * cost_to_move;
  if (rebuilds)
    cost = std::max(cost, items * least_cost_to_rebuild);
  if (gain < cost)
    return false;
  // Where two differ from each other, one of them differs from the third.
  auto apart = to->differences;
  for (auto& t : trials_)
    t.differences += apart;
  from.differences = apart;
  to->differences = 0;
  in_use_ = static_cast<std::size_t>(to - trials_.begin());
  return true;
}

shadow_cache& policy_trials::leader() noexcept {
  return *trials_[in_use_].cache;
}

const shadow_cache& policy_trials::leader() const noexcept {
  return *trials_[in_use_].cache;
}

const shadow_cache&
policy_trials::shadow(std::string_view name) const noexcept {
  return *std::find_if(trials_.begin(), trials_.end(), [=](const trial& t) {
            return t.cache->name() == name;
          })->cache;
}

std::size_t policy_trials::bytes() const noexcept {
  std::size_t result = 0;
  for (auto& x : trials_)
    result += x.cache->bytes();
  return result;
}

std::vector<policy_trials::candidate> policy_trials::candidates() const {
  std::vector<candidate> result;
  for (auto& t : trials_)
    result.push_back({t.cache->name(), t.requests, t.hits});
  return result;
}

} // namespace terrace
