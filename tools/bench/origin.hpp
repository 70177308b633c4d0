/// The simulated source of truth behind a cache.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>

namespace terrace::bench {

/// Makes a value for any key, after some time. Thread-safe.
class origin {
public:
  /// With `waits` a fetch takes `latency`; without, whoever measures adds it.
  origin(std::chrono::nanoseconds latency, bool waits)
    : latency_(latency), waits_(waits) {
    // nop
  }

  std::string fetch(std::string_view key, std::size_t size) {
    calls_.fetch_add(1, std::memory_order_relaxed);
    if (waits_)
      std::this_thread::sleep_for(latency_);
    return value_of(key, size);
  }

  /// What a fetch adds to a measured time that did not contain it.
  std::uint64_t uncounted_ns() const noexcept {
    return waits_ ? 0 : static_cast<std::uint64_t>(latency_.count());
  }

  std::uint64_t calls() const noexcept {
    return calls_.load(std::memory_order_relaxed);
  }

  /// The key, then words, so that a wrong value is noticed and a large one can
  /// be compressed about as well as text.
  static std::string value_of(std::string_view key, std::size_t size) {
    static constexpr std::string_view words
      = " \"name\": \"a product of the shop\", \"price\": 1299, \"stock\": 17,";
    std::string result{key.substr(0, size)};
    result.reserve(size);
    while (result.size() < size)
      result += words.substr(0, size - result.size());
    return result;
  }

  static bool is_value_of(std::string_view value, std::string_view key,
                          std::size_t size) noexcept {
    auto n = std::min(key.size(), size);
    return value.size() == size && value.substr(0, n) == key.substr(0, n);
  }

private:
  std::chrono::nanoseconds latency_;
  bool waits_;
  std::atomic<std::uint64_t> calls_{0};
};

} // namespace terrace::bench
