/// `terrace-bench churn`: whether L1 keeps its bound.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace terrace::bench {

struct churn_options {
  std::uint64_t max_size = 256ull << 20;
  double minutes = 10;
  std::uint64_t min_value = 0;
  std::uint64_t max_value = 64ull << 10;
  double bound_ratio = 1.15;
  std::size_t keys = 4'000'000; ///< different ones
  std::size_t writers = 2;
  std::size_t shards = 1;
  std::string policy = "auto";
  std::chrono::milliseconds phase{20'000}; ///< until sizes change
  std::chrono::milliseconds every{10'000}; ///< between two lines
  bool json = false;
};

/// Writes, reads and erases entries of mixed sizes in the engine alone, which
/// holds a fraction of them. Phases of small, large and all sizes take turns,
/// so that memory freed by one size has to serve another; several threads
/// write, so that one frees what another has allocated. Watches the resident
/// memory, without what the process had at the start. Returns the exit code: 1
/// if it ever grew past `bound_ratio` times the bound.
int churn(const churn_options& opts);

} // namespace terrace::bench
