/// Who takes part in `terrace-bench disk`.
#pragma once

#include "messages/expected.hpp"
#include "tiers/lmdb_store.hpp"
#include "tools/bench/disk_values.hpp"

#include <filesystem>
#include <memory>
#include <span>

namespace terrace::bench {

/// Keys to look up in one call.
struct disk_request {
  std::span<const std::string> keys;
  std::span<const std::uint32_t> numbers; ///< of the keys
};

/// How one thread reads.
class disk_reader {
public:
  virtual ~disk_reader() = default;

  /// Makes an answer for every key that owns its bytes, then looks at all of
  /// them. Returns how many were missing or wrong.
  virtual std::uint64_t read(const disk_request& x) = 0;
};

/// A database under test. `reader` from any thread, the rest from one.
class disk_peer {
public:
  virtual ~disk_peer() = default;

  virtual std::unique_ptr<disk_reader> reader() = 0;

  /// Writes one group. Versions rise from call to call.
  virtual expected<void> write(std::span<const entry> xs) = 0;

  /// Returns when everything written is synced, and, in the engine, in the
  /// tree.
  virtual expected<void> settle() = 0;

  /// Called once, when all keys have been written: arranges them for reading.
  virtual expected<void> filled() {
    return settle();
  }

  /// Whether each group is on the device when `write` returns. Not for the
  /// engine.
  virtual void sync_each(bool) {
    // nop
  }
};

using disk_peer_ptr = std::unique_ptr<disk_peer>;

/// What a peer is made for.
struct disk_peer_setup {
  std::filesystem::path folder; ///< of its own, there and empty
  const disk_values& values;
  std::uint64_t bytes = 0; ///< of all keys and values
};

/// The tier's engine, without the actor. A group is staged; a commit follows,
/// on the same thread, once `disk_options::commit_size` bytes wait, and as many
/// more as the engine asks for when it is full.
disk_peer_ptr make_engine_peer(const disk_peer_setup& x,
                               std::shared_ptr<lmdb_store> store,
                               const disk_options& opts);

/// LMDB by hand: one table, a group is a transaction, and a look-up renews a
/// read transaction. Fails as LMDB does.
expected<disk_peer_ptr> make_lmdb_peer(const disk_peer_setup& x);

/// RocksDB: a log, no compression, Bloom filters, and a block cache that holds
/// everything. A group is a batch. Compacted when it has been filled. Not built
/// in without RocksDB.
expected<disk_peer_ptr> make_rocksdb_peer(const disk_peer_setup& x);

} // namespace terrace::bench
