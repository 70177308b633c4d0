/// Shows on standard error how far a long run is.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace terrace::bench {

/// A bar that moves if standard error is a terminal, else a line every ten
/// seconds. Ends with its life.
class progress {
public:
  /// With `quiet` nothing is shown.
  progress(std::string what, std::uint64_t total, bool quiet);

  progress(const progress&) = delete;

  ~progress();

  /// From any thread.
  void advance(std::uint64_t n = 1) noexcept {
    done_.fetch_add(n, std::memory_order_relaxed);
  }

private:
  void run();

  void show(bool last) const;

  std::string what_;
  std::uint64_t total_;
  bool terminal_;
  std::atomic<std::uint64_t> done_{0};
  std::mutex mutex_;
  std::condition_variable ending_;
  bool ended_ = false;
  std::thread thread_;
};

} // namespace terrace::bench
