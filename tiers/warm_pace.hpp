/// How fast L1 is filled again while others ask for keys too.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace terrace {

/// Batches that are answered in about a millisecond, because others wait behind
/// them in the lower tiers, or in twice the time of the fastest one where the
/// way is longer; after each a rest three times as long as it took. So the
/// tiers have three quarters of their time for others, and where their queues
/// are long, batches are small. Even then it goes on: that memory is cold may
/// be why they are long. Plain state machine.
class warm_pace {
public:
  using duration = std::chrono::microseconds;

  static constexpr std::size_t min_batch = 16;
  static constexpr std::size_t max_batch = 64;

  /// Keys in the next batch.
  std::size_t batch() const noexcept {
    return batch_;
  }

  /// Until the next batch.
  duration rest() const noexcept {
    return rest_;
  }

  /// A batch was answered after `took`.
  void answered(duration took) noexcept {
    least_ = std::min(least_, took);
    auto wanted = std::max(target, 2 * least_);
    if (took < wanted / 2)
      batch_ = std::min(2 * batch_, max_batch);
    else if (took > 2 * wanted)
      batch_ = std::max(batch_ / 2, min_batch);
    rest_ = std::min(3 * took, longest_rest);
  }

private:
  static constexpr duration target{1000};
  static constexpr duration longest_rest{20'000};

  std::size_t batch_ = 32;
  duration least_ = longest_rest; ///< that a batch took
  duration rest_{0};
};

} // namespace terrace
