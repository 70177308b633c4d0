/// `terrace-bench disk-policy`: who should leave the disk, and come to it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace terrace::bench {

struct disk_policy_options {
  std::vector<std::string> traces;
  /// Of the disk, as in `hitratio_options::sizes`.
  std::vector<std::string> sizes{"1%", "5%", "20%"};
  std::string l1_policy = "w-tinylfu";
  double l1_share = 0.1;   ///< its size in that of the disk
  std::uint64_t limit = 0; ///< requests of each trace; 0: all
  bool json = false;
};

/// Runs traces through two tiers without contents: L1, and a disk that sees
/// only what L1 misses. What both miss is loaded and written to both, if the
/// disk admits it; a hit on disk is written to L1. Every policy for the disk is
/// tried with each of these ways to admit:
///
///     all         everything
///     reuse       only keys that were refused before, as far back as as many
///                 refusals as fit entries on the disk (a ghost table)
///     full-reuse  everything until the disk is full, then like reuse
///     tinylfu     only keys that the disk was asked for more often, lately,
///                 than for the one that would leave; that one goes to the
///                 young end of its queue if it wins
///
/// Prints for each trace and size the hit ratio of both tiers together and the
/// writes to the disk per request, in entries. Not counted are the rows that
/// LRU and queues with reinsertion rewrite when an entry moves, which are
/// small. Returns the exit code: 1 if a trace cannot be read or an option is
/// wrong.
int disk_policy(const disk_policy_options& opts);

} // namespace terrace::bench
