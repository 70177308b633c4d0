/// `terrace-bench disk-churn`: whether the disk tier keeps its bound.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace terrace::bench {

struct disk_churn_options {
  std::uint64_t max_size = 1ull << 30;
  double minutes = 30;
  std::uint64_t min_value = 100;
  std::uint64_t max_value = 1ull << 20;
  bool large = false;       ///< one value in 500 is of 1 MiB to 64 MiB
  double working_set = 2;   ///< bytes of all keys, in bounds
  double skew = 0;          ///< zipf, of the keys' popularity
  double write_share = 0.2; ///< of requests that write unasked
  std::size_t callers = 16;
  double bound_ratio = 1;
  std::chrono::milliseconds every{10'000}; ///< between two lines
  std::string config_file;
  std::vector<std::string> settings;
  std::string path; ///< where the folder is made; empty: with temporary files
  std::uint64_t seed = 1;
  bool json = false;
};

/// Puts the disk tier's actor under a load that never fits: callers look up
/// keys and write what they miss, and some write without asking. Sizes are
/// log-uniform (each power of two as likely as the next) and change with every
/// write; values cannot be compressed and are checked. All options of [disk]
/// may be set, except that `max_size` and `path` come from here.
///
/// Four times a second it adds up the files in the tier's folder, by length and
/// by the blocks they take on the device, and keeps the largest. Tells what was
/// on disk, entries, evictions, hit ratio, bytes accepted from users and bytes
/// written for that: what the process gave to write(2) and its like
/// (/proc/self/io, wchar), which is exact for LMDB, since it does not write
/// through its map. (write_bytes there counts whole folios of the page cache.)
/// Steadiness is told by the accepted bytes of single seconds: median, the
/// fifth percentile, the worst.
///
/// Returns the exit code: 1 if the blocks of the files ever took more than
/// `bound_ratio` times `max_size`, if a value was wrong, or if a request
/// failed.
int disk_churn(const disk_churn_options& opts);

} // namespace terrace::bench
