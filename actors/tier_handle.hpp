/// A tier of the running chain as its users hold it.
#pragma once

#include "messages/interfaces.hpp"
#include "tiers/tier_health.hpp"

#include <memory>

namespace terrace {

struct tier_handle {
  tier_kind kind = tier_kind::none;
  tier_actor actor;
  std::shared_ptr<tier_health> health;
  bool write_through = true;        ///< writers wait for this tier
  std::uint64_t max_value_size = 0; ///< larger values are not sent to it
};

} // namespace terrace
