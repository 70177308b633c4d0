#include "tiers/policies/sieve_policy.hpp"

namespace terrace {

void sieve_policy::inserted(item_id x, std::int64_t) {
  items_.push_back(space_, x);
}

void sieve_policy::replaced(item_id old, item_id fresh, bool moved,
                            std::int64_t) {
  inherit(old, fresh, moved);
  items_.replace(space_, old, fresh);
  if (hand_ == old)
    hand_ = fresh;
}

void sieve_policy::erased(item_id x) {
  if (hand_ == x)
    hand_ = space_[x].next;
  items_.unlink(space_, x);
}

item_id sieve_policy::evict(std::int64_t now_ms) {
  if (items_.empty())
    return 0;
  // The newest item came in since the last eviction, and nobody had a chance to
  // use it: the hand turns round before it, as if it came in afterwards.
  auto newest = items_.back();
  auto x = hand_ != 0 ? hand_ : items_.front();
  // Ends after one round, unless readers are faster than the hand; then the
  // bound takes the item at hand.
  for (auto left = items_.count() + 1; left > 0; --left) {
    if (expired(x, now_ms))
      break;
    if (accesses(x) == 0 && (x != newest || items_.count() == 1))
      break;
    if (accesses(x) != 0)
      accesses(x, 0);
    auto next = space_[x].next;
    x = next != 0 ? next : items_.front();
  }
  auto next = space_[x].next;
  hand_ = next != newest ? next : 0;
  items_.unlink(space_, x);
  return x;
}

std::vector<item_id> sieve_policy::order() const {
  std::vector<item_id> result;
  result.reserve(items_.count());
  for (auto x = hand_; x != 0; x = space_[x].next)
    result.push_back(x);
  for (auto x = items_.front(); x != hand_; x = space_[x].next)
    result.push_back(x);
  return result;
}

std::vector<item_id> sieve_policy::release() {
  auto result = order();
  for (auto x : result)
    space_[x].prev = space_[x].next = 0;
  items_ = {};
  hand_ = 0;
  return result;
}

std::vector<std::uint64_t> sieve_policy::dump() const {
  return hashes(order());
}

} // namespace terrace
