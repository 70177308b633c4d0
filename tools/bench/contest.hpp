/// `terrace-bench l1 --peers`: L1 beside other caches, in one run.
#pragma once

#include "tools/bench/contestant.hpp"
#include "tools/bench/l1.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace terrace::bench {

/// Millions of requests a second of one contestant with some threads.
struct contest_cell {
  std::vector<double> rounds; ///< sorted once all are there

  double median() const {
    return rounds[rounds.size() / 2];
  }
};

struct contest_row {
  std::string name;
  bool own = false;                ///< Terrace's
  bool built = false;              ///< the figures below are there
  std::string note;                ///< see `contestant::note`
  std::vector<contest_cell> cells; ///< one per number of threads
  request_tally all;               ///< of all rounds
  request_tally sampled; ///< of the same requests for every contestant

  double hit_ratio() const {
    auto reads = std::max<std::uint64_t>(sampled.hits + sampled.misses, 1);
    return static_cast<double>(sampled.hits) / static_cast<double>(reads);
  }
};

/// All rounds of one mix.
struct contest_result {
  request_mix mix;
  std::size_t capacity = 0; ///< entries
  std::vector<contest_row> rows;
  std::uint64_t handle_requests = 0;
  std::uint64_t messages_sent = 0; ///< by these

  /// How many times as fast as the fastest peer Terrace's engine is, one per
  /// number of threads; empty if either was not measured.
  std::vector<double> ratios() const;
};

/// Fills every contestant with the same keys, tells its hit ratio over the same
/// requests, then times it: contestants take turns round by round. Returns the
/// exit code: 1 if the node of the handle could not be started or a value was
/// wrong, with a line on standard error.
int contest(const l1_options& opts);

/// Prints what `contest` measured.
void print(const l1_options& opts, const std::vector<contest_result>& xs);

} // namespace terrace::bench
