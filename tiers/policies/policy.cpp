#include "tiers/policies/policy.hpp"

#include "tiers/policies/adaptive_policy.hpp"
#include "tiers/policies/auto_policy.hpp"
#include "tiers/policies/fifo_policy.hpp"
#include "tiers/policies/hybrid_policy.hpp"
#include "tiers/policies/lfu_policy.hpp"
#include "tiers/policies/lru_policy.hpp"
#include "tiers/policies/s3fifo_policy.hpp"
#include "tiers/policies/sieve_policy.hpp"
#include "tiers/policies/slru_policy.hpp"
#include "tiers/policies/wtinylfu_policy.hpp"

namespace terrace {

void eviction_policy::describe(std::map<std::string, std::uint64_t>&) const {
  // Most have none.
}

std::unique_ptr<eviction_policy>
make_policy(std::string_view name, policy_space& space, policy_group* group) {
  if (name == "fifo")
    return std::make_unique<fifo_policy>(space);
  if (name == "lru")
    return std::make_unique<lru_policy>(space);
  if (name == "lfu")
    return std::make_unique<lfu_policy>(space);
  if (name == "hybrid")
    return std::make_unique<hybrid_policy>(space);
  if (name == "adaptive")
    return std::make_unique<adaptive_policy>(space);
  if (name == "auto")
    return std::make_unique<auto_policy>(
      space, group ? group->trials() : std::make_shared<shared_trials>(1));
  if (name == "slru")
    return std::make_unique<slru_policy>(space);
  if (name == "w-tinylfu")
    return std::make_unique<wtinylfu_policy>(space);
  if (name == "s3-fifo")
    return std::make_unique<s3fifo_policy>(space);
  if (name == "sieve")
    return std::make_unique<sieve_policy>(space);
  return nullptr;
}

} // namespace terrace
