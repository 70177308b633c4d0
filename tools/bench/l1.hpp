/// `terrace-bench l1`: what a look-up costs in this process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace terrace::bench {

struct l1_options {
  std::size_t threads = 1;
  std::size_t keys = 100'000;
  std::size_t value_size = 100;
  double skew = 0.99; ///< of the key popularity; 0: uniform
  double read_ratio = 1.0;
  double seconds = 1.0; ///< per round
  std::size_t rounds = 5;
  std::string config_file;
  std::vector<std::string> settings;
  bool json = false;
};

/// Fills a node without lower tiers, then reads (and writes) its keys through
/// the in-process handle. Prints the time per operation, as the median of the
/// rounds, and how many messages that took, by the coordinators' own counters.
/// Returns the exit code: 1 if the node could not be started or a value was
/// wrong.
int l1(const l1_options& opts);

} // namespace terrace::bench
