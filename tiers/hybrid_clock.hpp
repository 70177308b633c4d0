/// Hybrid logical clock: versions that follow wall-clock time, never repeat and
/// never go back on one node, even if the wall clock does.
///
/// Source: Kulkarni et al., "Logical Physical Clocks and Consistent Snapshots
/// in Globally Distributed Databases", 2014. A version is 48 bits of Unix
/// milliseconds followed by a 16-bit counter, so that plain integer order is
/// the order of versions. When more than 65,536 versions are needed in a
/// millisecond the counter overflows into the next millisecond, which is
/// harmless.
#pragma once

#include "messages/record.hpp"

#include <atomic>
#include <cstdint>

namespace terrace {

/// Thread-safe; one per node.
class hybrid_clock {
public:
  static constexpr unsigned counter_bits = 16;

  static constexpr std::int64_t physical_ms(version_t x) noexcept {
    return static_cast<std::int64_t>(x >> counter_bits);
  }

  /// Smallest version of a millisecond.
  static constexpr version_t at(std::int64_t now_ms) noexcept {
    return static_cast<version_t>(now_ms) << counter_bits;
  }

  /// A version larger than every one issued or observed before.
  version_t next(std::int64_t now_ms) noexcept {
    return next(now_ms, 1);
  }

  /// Reserves `n` consecutive versions and returns the first of them.
  version_t next(std::int64_t now_ms, std::uint64_t n) noexcept {
    auto wall = at(now_ms);
    auto last = last_.load(std::memory_order_relaxed);
    for (;;) {
      auto first = (wall > last ? wall : last) + 1;
      if (last_.compare_exchange_weak(last, first + n - 1,
                                      std::memory_order_relaxed))
        return first;
    }
  }

  /// Takes note of a version from elsewhere: later ones will be larger.
  /// Versions more than a minute ahead of `now_ms` are ignored, so that one
  /// node with a wrong clock cannot drag the others with it; answers false
  /// then.
  bool observe(version_t seen, std::int64_t now_ms) noexcept {
    if (physical_ms(seen) > now_ms + max_drift_ms)
      return false;
    auto last = last_.load(std::memory_order_relaxed);
    while (
      seen > last
      && !last_.compare_exchange_weak(last, seen, std::memory_order_relaxed)) {
      // `last` was reloaded; try again
    }
    return true;
  }

private:
  static constexpr std::int64_t max_drift_ms = 60'000;

  std::atomic<version_t> last_{0};
};

} // namespace terrace
