#include "tiers/policies/hybrid_policy.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace terrace {

namespace {

/// Uses after which one counts half, for each item of the cache.
constexpr double half_life = 2;

constexpr std::size_t fanout = 4;

constexpr double worthless = -std::numeric_limits<double>::infinity();

} // namespace

// -- heap ---------------------------------------------------------------------

void hybrid_policy::put(std::size_t i, place x) noexcept {
  heap_[i] = x;
  space_[x.item].prev = static_cast<std::uint32_t>(i);
}

void hybrid_policy::sift_up(std::size_t i, place x) noexcept {
  while (i > 0) {
    auto parent = (i - 1) / fanout;
    if (!(x < heap_[parent]))
      break;
    put(i, heap_[parent]);
    i = parent;
  }
  put(i, x);
}

void hybrid_policy::sift_down(std::size_t i, place x) noexcept {
  for (;;) {
    auto first
      = heap_.begin()
        + static_cast<std::ptrdiff_t>(std::min(i * fanout + 1, heap_.size()));
    auto last = first + std::min<std::ptrdiff_t>(fanout, heap_.end() - first);
    auto least = std::min_element(first, last);
    if (least == last || !(*least < x))
      break;
    put(i, *least);
    i = static_cast<std::size_t>(least - heap_.begin());
  }
  put(i, x);
}

void hybrid_policy::take(std::size_t i) noexcept {
  auto filler = heap_.back();
  heap_.pop_back();
  if (i == heap_.size())
    return;
  if (i > 0 && filler < heap_[(i - 1) / fanout])
    sift_up(i, filler);
  else
    sift_down(i, filler);
}

// -- worth --------------------------------------------------------------------

void hybrid_policy::pass_time() noexcept {
  now_ += 1 / (half_life * static_cast<double>(heap_.size() + 1));
}

double hybrid_policy::use(double worth) const noexcept {
  return now_ + std::log2(1 + std::exp2(worth - now_));
}

void hybrid_policy::remember(place x) {
  auto n = std::bit_ceil(heap_.size() + 1);
  if (n > ghosts_.size())
    ghosts_.assign(n, {});
  auto hash = space_.hash(x.item);
  ghosts_[hash & (ghosts_.size() - 1)]
    = {static_cast<std::uint32_t>(hash >> 32), static_cast<float>(x.worth)};
}

double hybrid_policy::recall(std::uint64_t hash) noexcept {
  if (ghosts_.empty())
    return worthless;
  auto& ghost = ghosts_[hash & (ghosts_.size() - 1)];
  if (ghost.print != static_cast<std::uint32_t>(hash >> 32))
    return worthless;
  return ghost.worth;
}

// -- contract -----------------------------------------------------------------

void hybrid_policy::inserted(item_id x, std::int64_t) {
  pass_time();
  heap_.emplace_back();
  sift_up(heap_.size() - 1, {use(recall(space_.hash(x))), x});
}

void hybrid_policy::replaced(item_id old, item_id fresh, bool moved,
                             std::int64_t now_ms) {
  inherit(old, fresh, moved);
  auto i = space_[old].prev;
  put(i, {heap_[i].worth, fresh});
  if (!moved)
    accessed(fresh, now_ms);
}

void hybrid_policy::accessed(item_id x, std::int64_t) {
  pass_time();
  auto i = space_[x].prev;
  sift_down(i, {use(heap_[i].worth), x});
}

void hybrid_policy::erased(item_id x) {
  take(space_[x].prev);
}

item_id hybrid_policy::evict(std::int64_t) {
  if (heap_.empty())
    return 0;
  auto least = heap_.front();
  take(0);
  remember(least);
  return least.item;
}

std::vector<item_id> hybrid_policy::order() const {
  auto sorted = heap_;
  std::sort(sorted.begin(), sorted.end());
  std::vector<item_id> result;
  result.reserve(sorted.size());
  for (auto& x : sorted)
    result.push_back(x.item);
  return result;
}

void hybrid_policy::adopt(const std::vector<item_id>& xs, std::int64_t,
                          const policy_lesson* lesson) {
  if (lesson) {
    auto& model = static_cast<const hybrid_policy&>(lesson->model);
    auto known = model.heap_;
    std::sort(known.begin(), known.end());
    heap_.resize(xs.size());
    for (std::size_t i = 0; i < xs.size(); ++i) // in order, so it is a heap
      put(i, {now_ + known[lesson->ranks[i]].worth - model.now_, xs[i]});
    return;
  }
  // As if each was used once, in this order, lately.
  auto step = 1 / (half_life * static_cast<double>(xs.size() + 1));
  heap_.reserve(xs.size());
  for (auto x : xs) {
    now_ += step;
    heap_.emplace_back();
    sift_up(heap_.size() - 1, {now_, x});
  }
}

std::vector<item_id> hybrid_policy::release() {
  auto result = order();
  for (auto x : result)
    space_[x].prev = 0;
  heap_ = {}; // its memory too
  return result;
}

std::vector<std::uint64_t> hybrid_policy::dump() const {
  return hashes(order());
}

} // namespace terrace
