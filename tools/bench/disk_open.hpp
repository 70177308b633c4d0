/// `terrace-bench disk-open`: how long until a disk tier answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace terrace::bench {

struct disk_open_options {
  /// What this process does; the others are for those it starts itself.
  enum class role {
    measure,
    open,  ///< opens the store in `path`, looks once, tells the times, ends
    write, ///< writes to the store in `path` until it is killed
  };

  std::vector<std::uint64_t> entries{1'000'000, 5'000'000, 20'000'000};
  std::size_t value_size = 100; ///< bytes
  std::size_t rounds = 9;       ///< opens of each kind
  std::string path; ///< where folders are made; empty: with temporary files
  bool json = false;
  bool quiet = false;
  role what = role::measure;
  std::uint64_t number = 0; ///< of the key to look up, or of a first version
};

/// Fills the engine's store with small entries, tells how fast that went, and
/// closes it. Then measures, in a process of its own for every time, how long
/// it takes from `lmdb_store::open` to the answer to a first look-up, of a key
/// that is there, in three states:
///
///     closed  all is in the page cache
///     cold    the page cache has dropped the file
///     killed  after `kill -9` of a process that wrote random keys, with about
///             as much in the journal as a merge lets gather
///
/// Beside it: how long `count` and `describe` take afterwards. Returns the exit
/// code: 1 if, in the state "closed", a median is over 50 ms, or the one with
/// most entries is over 1.5 times the one with fewest and 2 ms; if a value or a
/// count was wrong; or if anything failed.
int disk_open(const disk_open_options& opts);

/// What `role::open` and `role::write` do. Returns the exit code.
int disk_open_role(const disk_open_options& opts);

} // namespace terrace::bench
