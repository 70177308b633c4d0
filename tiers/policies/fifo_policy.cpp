#include "tiers/policies/fifo_policy.hpp"

namespace terrace {

void fifo_policy::inserted(item_id x, std::int64_t) {
  items_.push_back(space_, x);
}

void fifo_policy::replaced(item_id old, item_id fresh, bool moved,
                           std::int64_t) {
  // The key keeps its age: what is written often must not stay for ever.
  inherit(old, fresh, moved);
  items_.replace(space_, old, fresh);
}

void fifo_policy::erased(item_id x) {
  items_.unlink(space_, x);
}

item_id fifo_policy::evict(std::int64_t) {
  auto x = items_.front();
  if (x != 0)
    items_.unlink(space_, x);
  return x;
}

std::vector<item_id> fifo_policy::release() {
  std::vector<item_id> result;
  release_to(items_, result);
  return result;
}

std::vector<std::uint64_t> fifo_policy::dump() const {
  std::vector<item_id> result;
  append(items_, result);
  return hashes(result);
}

} // namespace terrace
