#include "tiers/policies/lru_policy.hpp"

namespace terrace {

void lru_policy::inserted(item_id x, std::int64_t) {
  items_.push_back(space_, x);
}

void lru_policy::replaced(item_id old, item_id fresh, bool moved,
                          std::int64_t now_ms) {
  inherit(old, fresh, moved);
  items_.replace(space_, old, fresh);
  if (!moved)
    accessed(fresh, now_ms);
}

void lru_policy::accessed(item_id x, std::int64_t) {
  items_.unlink(space_, x);
  items_.push_back(space_, x);
}

void lru_policy::erased(item_id x) {
  items_.unlink(space_, x);
}

item_id lru_policy::evict(std::int64_t) {
  auto x = items_.front();
  if (x != 0)
    items_.unlink(space_, x);
  return x;
}

std::vector<item_id> lru_policy::release() {
  std::vector<item_id> result;
  release_to(items_, result);
  return result;
}

std::vector<std::uint64_t> lru_policy::dump() const {
  std::vector<item_id> result;
  append(items_, result);
  return hashes(result);
}

} // namespace terrace
