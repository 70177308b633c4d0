/// The environment of LMDB that the disk tier lives in.
///
/// Files in the directory: data.mdb and lock.mdb are LMDB's, `terrace.lock`
/// keeps a second node out (LMDB itself would let it in), and `reserve` is
/// space for deleting something when the disk is full, which takes new pages
/// first.
///
/// The environment syncs data and then the root page at each commit and never
/// writes through the memory map, so that no crash can leave a torn tree.
/// Limits that come with LMDB: pages carry no checksum, so damage to an
/// *interior* page is noticed only where LMDB looks for it (records have
/// checksums of their own, and a truncated file is noticed when it is opened),
/// and a device that fails to read a mapped page raises SIGBUS.
///
/// Source: lmdb.h 0.9.24.
#pragma once

#include "tiers/lmdb_txn.hpp"

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace terrace {

/// The tables; lmdb_tree.hpp and lmdb_journal.hpp define their rows.
struct lmdb_tables {
  lmdb_table data = 0;
  lmdb_table order = 0;
  lmdb_table expiry = 0;
  lmdb_table tags = 0;
  lmdb_table meta = 0;
  lmdb_table journal[2] = {0, 0};
};

/// An open environment. Thread-safe, except that one thread at a time writes.
class lmdb_env {
public:
  /// Sizes for metrics.
  struct figures {
    std::uint64_t map_bytes = 0;
    std::uint64_t file_bytes = 0;
    std::uint64_t free_bytes = 0; ///< inside the file, ready for use
  };

  /// Opens the environment in directory `path`, which is created if absent.
  /// Throws `lmdb_fault`: `in_use` (another process holds it), `read_only`
  /// (no permission), `corrupt` (damaged or truncated file),
  /// `unsupported_format` (written by another LMDB), `no_space`, `io_failure`.
  lmdb_env(const std::string& path, std::uint64_t map_size);

  lmdb_env(const lmdb_env&) = delete;

  lmdb_env& operator=(const lmdb_env&) = delete;

  ~lmdb_env();

  const lmdb_tables& tables() const noexcept {
    return tables_;
  }

  MDB_env* native() const noexcept {
    return env_;
  }

  figures stats();

  /// Bytes that the device has left, zero if that is unknown.
  std::uint64_t device_free() const noexcept;

  /// Makes sure that the reserve exists; quietly leaves it out on a full disk.
  void keep_reserve() noexcept;

  /// Gives the reserve's space back to the device.
  void release_reserve() noexcept;

private:
  friend class lmdb_read;

  void lock_directory();

  void open_tables();

  void check_length();

  std::uint64_t count_free(std::uint64_t from, std::uint64_t to);

  void close() noexcept;

  std::string path_;
  int lock_fd_ = -1;
  MDB_env* env_ = nullptr;
  lmdb_tables tables_;
  std::mutex mutex_;           /// guards `idle_`
  std::vector<MDB_txn*> idle_; /// reset read transactions
};

} // namespace terrace
