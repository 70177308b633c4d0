#include "tiers/policies/wtinylfu_policy.hpp"

#include <algorithm>
#include <cmath>

namespace terrace {

namespace {

/// Share of the main part that is protected.
constexpr double guarded_share = 0.8;

constexpr double least_window = 0.01;
constexpr double largest_window = 0.8;

// The climber.
constexpr double first_step = 0.0625;
constexpr double step_decay = 0.98;
constexpr double restart_change = 0.05; ///< of the hit ratio
constexpr std::uint64_t requests_per_item = 10;

/// A newcomer as frequent as this enters by chance, once in 128 times, even if
/// the other is as frequent: else who knows a key of the highest frequency
/// could keep all others out (Caffeine's answer to hash flooding).
constexpr unsigned chance_from = 6;

} // namespace

// -- queues -------------------------------------------------------------------

void wtinylfu_policy::enter(queue_id to, item_id x) noexcept {
  space_[x].queue = to;
  queues_[to].push_back(space_, x);
}

void wtinylfu_policy::leave(item_id x) noexcept {
  queues_[space_[x].queue].unlink(space_, x);
}

std::uint64_t wtinylfu_policy::total() const noexcept {
  return queues_[window].size() + queues_[probation].size()
         + queues_[guarded].size();
}

std::size_t wtinylfu_policy::count() const noexcept {
  return queues_[window].count() + queues_[probation].count()
         + queues_[guarded].count();
}

std::uint64_t wtinylfu_policy::window_bound() const noexcept {
  auto result = static_cast<double>(total()) * window_share_;
  return std::max<std::uint64_t>(static_cast<std::uint64_t>(result), 1);
}

void wtinylfu_policy::balance() noexcept {
  auto& from = queues_[window];
  for (auto bound = window_bound(); from.count() > 1 && from.size() > bound;) {
    auto x = from.front();
    leave(x);
    enter(probation, x);
  }
  auto main = queues_[probation].size() + queues_[guarded].size();
  auto bound = static_cast<double>(main) * guarded_share;
  auto& high = queues_[guarded];
  while (high.count() > 1 && static_cast<double>(high.size()) > bound) {
    auto x = high.front();
    leave(x);
    enter(probation, x);
  }
}

// -- requests -----------------------------------------------------------------

void wtinylfu_policy::seen(item_id x, bool hit) {
  sketch_.increment(space_.hash(x));
  if (!full_)
    return;
  ++requests_;
  hits_ += hit ? 1 : 0;
  if (requests_ >= requests_per_item * std::max<std::size_t>(count(), 8))
    climb();
}

void wtinylfu_policy::climb() noexcept {
  auto ratio = static_cast<double>(hits_) / static_cast<double>(requests_);
  auto change = ratio - last_ratio_;
  auto amount = change >= 0 ? step_ : -step_;
  step_ = std::abs(change) >= restart_change ? std::copysign(first_step, amount)
                                             : step_decay * amount;
  window_share_ = std::clamp(window_share_ + amount, least_window,
                             largest_window);
  last_ratio_ = ratio;
  hits_ = requests_ = 0;
  balance();
}

void wtinylfu_policy::inserted(item_id x, std::int64_t) {
  sketch_.reserve(count() + 1);
  seen(x, false);
  enter(window, x);
  if (!full_)
    balance();
}

void wtinylfu_policy::replaced(item_id old, item_id fresh, bool moved,
                               std::int64_t now_ms) {
  inherit(old, fresh, moved);
  queues_[space_[old].queue].replace(space_, old, fresh);
  if (!moved)
    accessed(fresh, now_ms);
}

void wtinylfu_policy::accessed(item_id x, std::int64_t) {
  seen(x, true);
  auto queue = space_[x].queue;
  leave(x);
  enter(queue == window ? window : guarded, x);
  if (queue == probation)
    balance();
}

void wtinylfu_policy::erased(item_id x) {
  leave(x);
}

item_id wtinylfu_policy::evict(std::int64_t now_ms) {
  full_ = true;
  auto& low = queues_[probation];
  auto& main = low.empty() ? queues_[guarded] : low;
  auto victim = main.front();
  auto& from = queues_[window];
  // While the window grows it has room: main gives way.
  auto crowded = from.size() > window_bound() || victim == 0;
  auto candidate = crowded ? from.front() : 0;
  auto loser = victim;
  if (candidate != 0 && !(victim != 0 && expired(victim, now_ms))) {
    auto challenge = victim != 0 ? sketch_.frequency(space_.hash(candidate))
                                 : 0;
    auto defence = victim != 0 ? sketch_.frequency(space_.hash(victim)) : 0;
    auto admitted = challenge > defence;
    if (!admitted && challenge >= chance_from) {
      random_ ^= random_ << 13;
      random_ ^= random_ >> 7;
      random_ ^= random_ << 17;
      admitted = (random_ & 127) == 0;
    }
    if (!admitted || expired(candidate, now_ms))
      loser = candidate;
  }
  if (loser != 0)
    leave(loser);
  if (candidate != 0 && loser != candidate) {
    leave(candidate);
    enter(probation, candidate);
  }
  return loser;
}

void wtinylfu_policy::adopt(const std::vector<item_id>& xs, std::int64_t,
                            const policy_lesson* lesson) {
  sketch_.reserve(xs.size());
  if (lesson) {
    auto& model = static_cast<const wtinylfu_policy&>(lesson->model);
    window_share_ = model.window_share_;
    step_ = model.step_;
    std::vector<item_id> known;
    for (auto& queue : model.queues_)
      model.append(queue, known);
    for (std::size_t i = 0; i < xs.size(); ++i) {
      auto twin = known[lesson->ranks[i]];
      auto uses = model.sketch_.frequency(model.space_.hash(twin));
      for (; uses > 0; --uses)
        sketch_.increment(space_.hash(xs[i]));
      enter(queue_id{model.space_[twin].queue}, xs[i]);
    }
    return;
  }
  for (std::size_t i = 0; i < xs.size(); ++i) {
    for (auto n = uses_by_rank(i, xs.size()); n > 0; --n)
      sketch_.increment(space_.hash(xs[i]));
    enter(probation, xs[i]);
  }
}

std::vector<item_id> wtinylfu_policy::release() {
  std::vector<item_id> result;
  for (auto& queue : queues_)
    release_to(queue, result);
  full_ = false;
  return result;
}

std::vector<std::uint64_t> wtinylfu_policy::dump() const {
  std::vector<item_id> result;
  for (auto& queue : queues_)
    append(queue, result);
  return hashes(result);
}

} // namespace terrace
