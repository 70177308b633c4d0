/// What a tier tells its coordinators without a message: whether asking it
/// makes sense right now.
#pragma once

#include <atomic>
#include <cstdint>

namespace terrace {

/// Shared between one tier actor, which writes `readable`, and the
/// coordinators, which read it before they ask and count what they skip.
/// Thread-safe.
struct tier_health {
  /// False while the circuit breaker is open: look-ups go on to the next tier.
  std::atomic<bool> readable{true};
  /// Look-ups (keys) that were not sent because of that.
  std::atomic<std::uint64_t> skipped{0};
};

} // namespace terrace
