/// The parts of LMDB that the disk tier uses, as objects that clean up after
/// themselves. Inside the engine an LMDB error is thrown as `lmdb_fault`; the
/// store catches it at its border and hands out the `failure`.
///
/// Files in the directory: data.mdb and lock.mdb are LMDB's, `terrace.lock`
/// keeps a second node out (LMDB itself would let it in), and `reserve` is space
/// for deleting something when the disk is full, which takes new pages first.
///
/// The environment syncs data and then the root page at each commit and never
/// writes through the memory map, so that no crash can leave a torn tree. Limits
/// that come with LMDB: pages carry no checksum, so damage to an *interior* page
/// is noticed only where LMDB looks for it (records have checksums of their own,
/// and a truncated file is noticed when it is opened), and a device that fails
/// to read a mapped page raises SIGBUS.
///
/// Source: lmdb.h 0.9.24.
#pragma once

#include "messages/expected.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

namespace terrace {

/// Handle of one named table of the environment.
using lmdb_table = unsigned int;

/// What LMDB or the system refused, already translated.
struct lmdb_fault {
  failure why;
};

/// The tables; lmdb_tree.hpp and lmdb_journal.hpp define their rows.
struct lmdb_tables {
  lmdb_table data = 0;
  lmdb_table order = 0;
  lmdb_table expiry = 0;
  lmdb_table tags = 0;
  lmdb_table meta = 0;
  lmdb_table journal[2] = {0, 0};
};

/// Integer keys of `order` and the journals.
std::string_view lmdb_integer(const std::uint64_t& x) noexcept;

/// Walks and changes one table. Views that it returns end with the next change
/// in the transaction. Has to be gone before its transaction ends.
class lmdb_cursor {
public:
  lmdb_cursor(MDB_txn* txn, lmdb_table table);

  lmdb_cursor(const lmdb_cursor&) = delete;

  lmdb_cursor& operator=(const lmdb_cursor&) = delete;

  ~lmdb_cursor();

  /// Moves to `key`. False: there is no such row.
  bool find(std::string_view key);

  /// Moves to `key` or the first row after it. False: there is none.
  bool find_at_least(std::string_view key);

  bool first();

  bool last();

  /// Moves on by one row; after `erase`, to the row that followed.
  bool next();

  std::string_view key() const noexcept {
    return key_;
  }

  std::string_view value() const noexcept {
    return value_;
  }

  /// Adds a row. False: the key is taken, and the cursor stands on it.
  bool insert(std::string_view key, std::string_view value);

  /// Adds a row behind all others.
  void append(std::string_view key, std::string_view value);

  /// Replaces the value of the row that the cursor stands on, whose key is
  /// `key`.
  void replace(std::string_view key, std::string_view value);

  /// Deletes the row that the cursor stands on.
  void erase();

private:
  bool move(std::string_view key, int op);

  MDB_cursor* cursor_ = nullptr;
  std::string_view key_;
  std::string_view value_;
};

/// One write transaction; undone unless committed. At most one at a time.
class lmdb_write {
public:
  explicit lmdb_write(MDB_env* env);

  lmdb_write(const lmdb_write&) = delete;

  lmdb_write& operator=(const lmdb_write&) = delete;

  ~lmdb_write();

  void commit();

  /// Removes all rows of a table.
  void clear(lmdb_table table);

  MDB_txn* native() const noexcept {
    return txn_;
  }

private:
  MDB_txn* txn_ = nullptr;
};

class lmdb_env;

/// A view of the last commit. Taken from a pool and given back, so that a read
/// costs no entry in LMDB's reader table. Keep it short: pages that it can see
/// are not used again.
class lmdb_read {
public:
  explicit lmdb_read(lmdb_env& env);

  lmdb_read(const lmdb_read&) = delete;

  lmdb_read& operator=(const lmdb_read&) = delete;

  ~lmdb_read();

  /// The value under `key`. False: there is no such row.
  bool get(lmdb_table table, std::string_view key, std::string_view& out);

  MDB_txn* native() const noexcept {
    return txn_;
  }

private:
  lmdb_env& env_;
  MDB_txn* txn_ = nullptr;
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
  std::mutex mutex_; /// guards `idle_`
  std::vector<MDB_txn*> idle_; /// reset read transactions
};

} // namespace terrace
