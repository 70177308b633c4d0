#include "tiers/policies/s3fifo_policy.hpp"

#include <algorithm>
#include <array>

namespace terrace {

namespace {

/// Hits in the small queue that earn a place in the main queue, and what is
/// enough while the small queue is over twice its share.
constexpr std::uint8_t promotion_threshold = 2;
constexpr std::uint8_t crowded_threshold = 1;

/// Rounds in the main queue that hits can earn.
constexpr std::uint8_t max_rounds = 3;

/// Of the total size, one part in this many is for the small queue.
constexpr std::uint64_t small_share = 10;

} // namespace

void s3fifo_policy::inserted(item_id x, std::int64_t) {
  auto to = ghosts_.erase(space_.hash(x), ghost_limit()) ? main : small;
  space_[x].queue = to;
  queues_[to].push_back(space_, x);
}

void s3fifo_policy::replaced(item_id old, item_id fresh, bool moved,
                             std::int64_t) {
  inherit(old, fresh, moved);
  queues_[space_[old].queue].replace(space_, old, fresh);
}

void s3fifo_policy::erased(item_id x) {
  queues_[space_[x].queue].unlink(space_, x);
}

item_id s3fifo_policy::evict(std::int64_t now_ms) {
  auto& q = queues_[small];
  auto all = q.size() + queues_[main].size();
  // A hit newcomer moves on and makes no room, so the queues are looked at
  // again; it moves once only, which bounds the loop.
  while (!q.empty() && (q.size() > all / small_share || queues_[main].empty()))
    if (auto x = evict_small(now_ms))
      return x;
  return evict_main(now_ms);
}

item_id s3fifo_policy::evict_small(std::int64_t now_ms) {
  auto& q = queues_[small];
  auto x = q.front();
  auto crowded = q.size() > queues_[main].size() / (small_share / 2 - 1);
  q.unlink(space_, x);
  if (expired(x, now_ms))
    return x;
  if (accesses(x) < (crowded ? crowded_threshold : promotion_threshold)) {
    ghosts_.insert(space_.hash(x), ghost_limit());
    return x;
  }
  accesses(x, 0);
  space_[x].queue = main;
  queues_[main].push_back(space_, x);
  return 0;
}

item_id s3fifo_policy::evict_main(std::int64_t now_ms) {
  auto& q = queues_[main];
  // Ends: every round lowers a counter, unless readers raise them faster; then
  // the bound on rounds takes the item at the front.
  for (auto left = q.count() * max_rounds; !q.empty(); --left) {
    auto x = q.front();
    q.unlink(space_, x);
    auto n = rounds(x);
    if (n == 0 || left == 0 || expired(x, now_ms))
      return x;
    accesses(x, static_cast<std::uint8_t>(n - 1));
    q.push_back(space_, x);
  }
  return 0;
}

std::uint8_t s3fifo_policy::rounds(item_id x) const noexcept {
  return std::min(accesses(x), max_rounds);
}

std::size_t s3fifo_policy::ghost_limit() const noexcept {
  auto n = queues_[small].count() + queues_[main].count();
  return n - n / small_share;
}

void s3fifo_policy::adopt(const std::vector<item_id>& xs, std::int64_t,
                          const policy_lesson*) {
  // They have stood some test: only newcomers are to prove themselves.
  auto first = upper_part(xs, 1 - 1.0 / small_share);
  for (std::size_t i = 0; i < xs.size(); ++i) {
    auto to = i < first ? small : main;
    space_[xs[i]].queue = to;
    queues_[to].push_back(space_, xs[i]);
  }
}

std::vector<item_id> s3fifo_policy::order() const {
  std::vector<item_id> result;
  append(queues_[small], result);
  // Readers raise counters meanwhile: each is looked at once.
  std::array<std::vector<item_id>, max_rounds + 1> by_rounds;
  auto& q = queues_[main];
  for (auto x = q.front(); x != 0; x = space_[x].next)
    by_rounds[rounds(x)].push_back(x);
  for (auto& xs : by_rounds)
    result.insert(result.end(), xs.begin(), xs.end());
  return result;
}

std::vector<item_id> s3fifo_policy::release() {
  auto result = order();
  for (auto x : result)
    space_[x].prev = space_[x].next = 0;
  queues_[small] = queues_[main] = {};
  return result;
}

std::vector<std::uint64_t> s3fifo_policy::dump() const {
  return hashes(order());
}

} // namespace terrace
