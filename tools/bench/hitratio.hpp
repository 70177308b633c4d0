/// `terrace-bench hitratio`: what eviction policies make of a trace.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace terrace::bench {

struct hitratio_options {
  std::string trace;
  /// Of the cache: "1%" of all keys (of their bytes, if the trace has sizes),
  /// or a number of objects (bytes).
  std::vector<std::string> sizes{"0.1%", "1%", "5%", "10%", "20%"};
  std::vector<std::string> policies; ///< empty: all
  std::uint64_t limit = 0;           ///< requests; 0: all
  bool json = false;
};

/// Runs the engine's own policies on a trace, without contents, and prints
/// their miss ratios beside those of the best possible cache (Belady's MIN).
/// Returns the exit code: 1 if the trace cannot be read or an option is wrong.
int hitratio(const hitratio_options& opts);

} // namespace terrace::bench
