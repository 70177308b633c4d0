/// Where actors get the time from: tests put in a clock of their own.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>

namespace terrace {

/// Unix time in milliseconds. Callable from any thread.
using now_fn = std::function<std::int64_t()>;

inline std::int64_t system_now_ms() noexcept {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch())
    .count();
}

/// From `start` to now, at most an hour and more.
inline std::uint32_t
microseconds_since(std::chrono::steady_clock::time_point start) noexcept {
  auto x = (std::chrono::steady_clock::now() - start)
           / std::chrono::microseconds{1};
  return static_cast<std::uint32_t>(
    std::min<std::int64_t>(x, std::numeric_limits<std::uint32_t>::max()));
}

} // namespace terrace
