/// What the backplane tells others in the process without a message.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace terrace {

/// Written by the backplane, read by anyone. Thread-safe.
class backplane_gauge {
public:
  static std::int64_t steady_ms() noexcept {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
  }

  backplane_gauge() noexcept : fresh_ms_(steady_ms()) {
    // nop
  }

  /// What this node holds may be staler than what other nodes hold by at most
  /// so many milliseconds.
  std::int64_t staleness_ms() const noexcept {
    return std::max<std::int64_t>(
      steady_ms() - fresh_ms_.load(std::memory_order_relaxed), 0);
  }

  /// True while the log of changes was read recently enough that old entries
  /// may be given to others.
  bool may_promote() const noexcept {
    return steady_ms() < promote_until_ms_.load(std::memory_order_relaxed);
  }

  void fresh(std::int64_t at_ms) noexcept {
    fresh_ms_.store(at_ms, std::memory_order_relaxed);
  }

  void promote_until(std::int64_t at_ms) noexcept {
    promote_until_ms_.store(at_ms, std::memory_order_relaxed);
  }

private:
  std::atomic<std::int64_t> fresh_ms_; ///< everything from before is known
  std::atomic<std::int64_t> promote_until_ms_{0};
};

} // namespace terrace
