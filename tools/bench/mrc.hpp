/// `terrace-bench mrc`: how well the estimated miss ratio curve fits a trace.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace terrace::bench {

struct mrc_options {
  std::string trace;
  std::uint64_t limit = 0; ///< requests; 0: all
  std::size_t samples = 8192;
  std::uint64_t window = 0; ///< as in `miss_ratio_options`
  std::vector<double> sizes{0.01, 0.05, 0.1, 0.2}; ///< shares of all bytes
  bool json = false;
};

/// Prints, for caches that hold a share of the bytes of all keys, the miss
/// ratio of LRU by `miss_ratio_curve` beside the exact one, which is counted
/// from all reuse distances. A key of a trace without sizes counts as 1 byte.
/// Returns the exit code: 1 if the trace could not be read.
int mrc(const mrc_options& opts);

} // namespace terrace::bench
