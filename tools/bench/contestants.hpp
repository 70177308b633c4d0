/// Who takes part in a comparison of L1.
#pragma once

#include "actors/cache.hpp"
#include "tools/bench/contestant.hpp"

#include <functional>
#include <string>
#include <vector>

namespace terrace::bench {

/// What a cache is made for.
struct contestant_setup {
  std::size_t capacity = 0;      ///< entries
  std::size_t shards = 1;        ///< of Terrace's engine, a power of two
  std::string policy = "auto";   ///< of Terrace's engine
  const cache* handle = nullptr; ///< of a node with that capacity
};

/// A cache by its name in tables.
struct contestant_entry {
  std::string name;
  bool own;    ///< Terrace's, hence no peer
  bool handle; ///< needs `contestant_setup::handle`
  /// Empty: not built in.
  std::function<contestant_ptr(const contestant_setup&)> make;
};

/// All there are, in the order of the table.
const std::vector<contestant_entry>& contestants();

// One file each. -------------------------------------------------------------

/// The handle of a node. Reads that hit send no message; writes, and reads that
/// miss, are requests to an actor, and the caller waits for the answer.
contestant_ptr make_handle(const contestant_setup& x);

/// View and stores alone, see `engine`. Reads take one guard each; the time of
/// day, a parameter of the engine, is read once a batch.
contestant_ptr make_engine(const contestant_setup& x);

/// A mutex around a hash map and a list, the most recently used in front.
contestant_ptr make_mutex_lru(const contestant_setup& x);

/// 64 of these, chosen by hash.
contestant_ptr make_sharded_lru(const contestant_setup& x);

/// RocksDB's `LRUCache` with 64 shards, the most it chooses for itself. Every
/// entry is charged one.
contestant_ptr make_rocksdb_lru(const contestant_setup& x);

/// RocksDB's `HyperClockCache`, charged likewise. Its keys have 16 bytes: of
/// others it gets the 128-bit hash, so it neither stores nor compares them. It
/// does not replace what it has: a write erases, then inserts.
contestant_ptr make_hyper_clock(const contestant_setup& x);

} // namespace terrace::bench
