#include "tiers/policies/slru_policy.hpp"

namespace terrace {

void slru_policy::inserted(item_id x, std::int64_t) {
  space_[x].queue = probation;
  queues_[probation].push_back(space_, x);
}

void slru_policy::replaced(item_id old, item_id fresh, bool moved,
                           std::int64_t now_ms) {
  inherit(old, fresh, moved);
  queues_[space_[old].queue].replace(space_, old, fresh);
  if (!moved)
    accessed(fresh, now_ms);
}

void slru_policy::accessed(item_id x, std::int64_t) {
  queues_[space_[x].queue].unlink(space_, x);
  space_[x].queue = guarded;
  auto& to = queues_[guarded];
  to.push_back(space_, x);
  // At least one stays protected, however large it is.
  while (to.count() > 1
         && to.size() * 5 > (to.size() + queues_[0].size()) * 4) {
    auto least = to.front();
    to.unlink(space_, least);
    space_[least].queue = probation;
    queues_[probation].push_back(space_, least);
  }
}

void slru_policy::erased(item_id x) {
  queues_[space_[x].queue].unlink(space_, x);
}

item_id slru_policy::evict(std::int64_t) {
  auto& q = queues_[queues_[probation].empty() ? guarded : probation];
  auto x = q.front();
  if (x != 0)
    q.unlink(space_, x);
  return x;
}

void slru_policy::adopt(const std::vector<item_id>& xs, std::int64_t,
                        const policy_lesson* lesson) {
  auto first = lesson ? static_cast<const slru_policy&>(lesson->model)
                          .queues_[probation]
                          .count()
                      : 0;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    auto to = lesson && lesson->ranks[i] >= first ? guarded : probation;
    space_[xs[i]].queue = to;
    queues_[to].push_back(space_, xs[i]);
  }
}

std::vector<item_id> slru_policy::release() {
  std::vector<item_id> result;
  release_to(queues_[probation], result);
  release_to(queues_[guarded], result);
  return result;
}

std::vector<std::uint64_t> slru_policy::dump() const {
  std::vector<item_id> result;
  append(queues_[probation], result);
  append(queues_[guarded], result);
  return hashes(result);
}

} // namespace terrace
