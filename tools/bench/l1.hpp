/// `terrace-bench l1`: what a look-up costs in this process.
#pragma once

#include "tools/bench/key_set.hpp"
#include "tools/bench/request_mix.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace terrace::bench {

struct l1_options {
  std::vector<std::size_t> threads = {1}; ///< measured one after the other
  std::size_t keys = 100'000;
  std::size_t value_size = 100;
  double skew = 0.99; ///< of the key popularity; 0: uniform
  double read_ratio = 1.0;
  double seconds = 1.0; ///< per round
  std::size_t rounds = 5;
  std::string config_file;
  std::vector<std::string> settings;
  bool json = false;

  // -- with other caches, see `contest`, and `l1_memory` ---------------------

  bool peers = false;
  bool memory = false;
  key_kind kind;
  std::vector<request_mix> mixes = {{}, {10, true}};
  double capacity_share = 0.5;          ///< of the keys, in mixes with eviction
  std::size_t shards = 16;              ///< of the engine alone
  std::string policy = "auto";          ///< likewise
  std::vector<std::string> contestants; ///< empty: all
};

/// Fills a node without lower tiers, then reads (and writes) its keys through
/// the in-process handle. Prints the time per operation, as the median of the
/// rounds, and how many messages that took, by the coordinators' own counters.
/// Returns the exit code: 1 if the node could not be started or a value was
/// wrong.
int l1(const l1_options& opts);

} // namespace terrace::bench
