/// `terrace-bench disk`: the disk tier beside LMDB and RocksDB.
#pragma once

#include "tools/bench/disk_values.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace terrace::bench {

struct disk_bench_options {
  std::size_t entries = 1'000'000;
  std::size_t value_size = 1024; ///< bytes
  disk_content content = disk_content::noise;
  bool compress = true; ///< the engine does, as in a node
  std::vector<std::size_t> threads{1, 2};
  std::vector<std::size_t> batches{1, 16}; ///< keys in a call that reads
  std::size_t callers = 64;                ///< of the actor, at once
  std::size_t writes = 250'000;            ///< of a contestant in a round
  std::size_t group = 1000;                ///< writes in a group
  double seconds = 1;                      ///< of reading in a turn
  std::size_t rounds = 5;
  std::string path; ///< where folders are made; empty: with temporary files
  bool json = false;
  bool quiet = false;
};

/// Fills the engine, LMDB and RocksDB (if built in) with the same keys and
/// values, each in a folder of its own on the same device, removed in the end.
/// They take turns, round by round; medians count. Prints keys per second, the
/// latency of calls, and ratios.
///
/// What makes it fair:
/// - All see the same calls: the same random keys, drawn before, one at a time
///   and in batches. Every eighth call is timed. Size and number of every value
///   are checked.
/// - All answer with bytes that outlive the call, in a block of their own: a
///   cache's answer outlives the transaction.
/// - LMDB by hand has the engine's flags (MDB_NOTLS, MDB_NORDAHEAD) and renews
///   a read transaction for every call, as the engine does. It stores key and
///   value alone: no version, checksum, order of eviction or counts.
/// - RocksDB answers from a block cache that holds everything, with Bloom
///   filters, compacted after the fill. The others have the page cache, which
///   holds everything too. Values are not compressed, except by the engine,
///   which tries to, unless told otherwise.
/// - Writes replace random keys, in groups that are ready when the clock runs.
///   A turn ends when everything is synced, for the engine when it is in the
///   tree. LMDB and RocksDB sync every group, and are measured again without
///   ("unsynced"), when only the end of the turn is synced. The engine commits
///   and syncs when `disk.commit_size` waits, as in its durability "interval",
///   with one thread for all, where a node has two. What RocksDB leaves to its
///   background threads is not waited for.
/// - The actor serves from the same engine, from 64 callers at once. Its writes
///   are one entry a message, values made while the clock runs, and the turn
///   ends when all are in the tree.
///
/// Returns the exit code: 1 if the engine reads at less than 0.8 times LMDB's
/// speed or more slowly than RocksDB, if it writes at less than 0.8 times that
/// of LMDB with synced groups, if the actor is slower than 0.5 times the engine
/// (with one thread) in either, if a value was wrong, or if anything failed.
int disk(const disk_bench_options& opts);

} // namespace terrace::bench
