#include "tiers/policies/lfu_policy.hpp"

#include <algorithm>

namespace terrace {

// `mark` is the number of uses, `queue` the place in the ring.

void lfu_policy::enter(item_id x, std::uint16_t uses) noexcept {
  uses = std::min<std::uint16_t>(uses, ring_size - 1);
  auto at = static_cast<std::uint8_t>(age_ + uses);
  space_[x].mark = uses;
  space_[x].queue = at;
  ring_[at].push_back(space_, x);
  ++count_;
}

void lfu_policy::inserted(item_id x, std::int64_t) {
  enter(x, 1);
}

void lfu_policy::replaced(item_id old, item_id fresh, bool moved,
                          std::int64_t now_ms) {
  inherit(old, fresh, moved);
  ring_[space_[old].queue].replace(space_, old, fresh);
  if (!moved)
    accessed(fresh, now_ms);
}

void lfu_policy::accessed(item_id x, std::int64_t) {
  erased(x);
  enter(x, static_cast<std::uint16_t>(space_[x].mark + 1));
}

void lfu_policy::erased(item_id x) {
  ring_[space_[x].queue].unlink(space_, x);
  --count_;
}

item_id lfu_policy::evict(std::int64_t) {
  if (count_ == 0)
    return 0;
  while (ring_[age_].empty())
    ++age_;
  auto x = ring_[age_].front();
  erased(x);
  return x;
}

std::vector<item_id> lfu_policy::order() const {
  std::vector<item_id> result;
  result.reserve(count_);
  for (std::size_t i = 0; i < ring_size; ++i)
    append(ring_[static_cast<std::uint8_t>(age_ + i)], result);
  return result;
}

void lfu_policy::adopt(const std::vector<item_id>& xs, std::int64_t,
                       const policy_lesson* lesson) {
  if (!lesson) {
    for (std::size_t i = 0; i < xs.size(); ++i)
      enter(xs[i], static_cast<std::uint16_t>(uses_by_rank(i, xs.size())));
    return;
  }
  auto& model = static_cast<const lfu_policy&>(lesson->model);
  auto known = model.order();
  for (std::size_t i = 0; i < xs.size(); ++i) {
    auto& from = model.space_[known[lesson->ranks[i]]];
    enter(xs[i], static_cast<std::uint8_t>(from.queue - model.age_));
    space_[xs[i]].mark = from.mark;
  }
}

std::vector<item_id> lfu_policy::release() {
  auto result = order();
  for (auto x : result)
    space_[x].prev = space_[x].next = 0;
  ring_ = {};
  count_ = 0;
  return result;
}

std::vector<std::uint64_t> lfu_policy::dump() const {
  return hashes(order());
}

} // namespace terrace
