/// What `terrace-bench disk` measured, and how it is told.
#pragma once

#include "tools/bench/disk.hpp"
#include "tools/bench/samples.hpp"

#include <deque>
#include <string>
#include <vector>

namespace terrace::bench {

/// One contestant at one task.
struct disk_row {
  std::string who;
  std::vector<double> rounds; ///< keys per second
  samples latency;            ///< of calls

  double median() const;
};

/// One task. Rows stay where they are when others are added.
struct disk_table {
  std::string task;
  std::string call; ///< what a latency is of
  std::deque<disk_row> rows;

  /// The row of `who`, made when it is asked for the first time.
  disk_row& row(const std::string& who);

  /// The row of `who`; null if it was not measured.
  const disk_row* find(const std::string& who) const;
};

/// A ratio, and what it must reach; 0: nothing.
struct disk_bar {
  std::string task;
  std::string what;
  double ratio = 0;
  double least = 0;

  bool met() const noexcept {
    return ratio >= least;
  }
};

struct disk_report {
  std::deque<disk_table> tables;
  std::vector<disk_bar> bars;

  /// Adds the ratio of `one` to `other` in a table, if both were measured.
  void compare(const disk_table& in, const std::string& one,
               const std::string& other, double least);

  bool good() const;
};

/// To standard output, as `opts` has it.
void print(const disk_bench_options& opts, disk_report& x);

} // namespace terrace::bench
