/// Where actors get the time from: tests put in a clock of their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace terrace {

/// Unix time in milliseconds. Callable from any thread.
using now_fn = std::function<std::int64_t()>;

inline std::int64_t system_now_ms() noexcept {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch())
    .count();
}

} // namespace terrace
