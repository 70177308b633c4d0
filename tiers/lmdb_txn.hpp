/// Cursors and transactions of LMDB as objects that clean up after themselves.
/// Inside the engine an error is thrown as `lmdb_fault`; the store catches it
/// at its border and hands out the `failure`.
///
/// Source: lmdb.h 0.9.24.
#pragma once

#include "messages/errc.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

namespace terrace {

class lmdb_env;
class lmdb_read;
struct lmdb_reader;

/// Handle of one named table of the environment.
using lmdb_table = unsigned int;

/// What LMDB or the system refused, already translated.
struct lmdb_fault {
  failure why;
  bool map_full = false; ///< no free pages, although the device may have room
};

/// Throws `lmdb_fault` with the meaning and the text of an error code of LMDB
/// or of the system, after the words `what`.
[[noreturn]] void lmdb_fail(int rc, std::string what);

/// Does so unless `rc` is zero.
void lmdb_check(int rc, const char* what);

/// Bytes that the device of `path` has left, zero if that is unknown.
std::uint64_t lmdb_free_on_device(const char* path) noexcept;

/// Bytes that this thread has given to the system to be written so far, zero if
/// the system does not count them. Source: proc(5), wchar in io.
std::uint64_t lmdb_thread_writes() noexcept;

/// Integer keys of `order` and the journals.
std::string_view lmdb_integer(const std::uint64_t& x) noexcept;

/// Walks and changes one table. Views that it returns end with the next change
/// in the transaction. Has to be gone before its transaction ends.
///
/// Every function throws `corrupt` when it meets a damaged page, and for rows
/// that are not in their order, so that no walk is without end.
class lmdb_cursor {
public:
  lmdb_cursor(MDB_txn* txn, lmdb_table table);

  lmdb_cursor(lmdb_read& txn, lmdb_table table);

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
  friend class lmdb_env;

  bool move(std::string_view key, int op);

  bool put(std::string_view key, std::string_view value, unsigned flags);

  void remember(std::string_view key) noexcept;

  void check_large();

  void check_neighbours();

  lmdb_env& env_;
  MDB_txn* txn_;
  lmdb_table table_;
  MDB_cursor* cursor_ = nullptr;
  std::string_view key_;
  std::string_view value_;
  std::size_t last_size_ = 0; ///< of `last_`; 0: there is none
  alignas(8) char last_[512]; ///< key of the row that it stands on
};

/// One write transaction; undone unless committed. At most one at a time. If
/// LMDB is stopped by a damaged page in the midst of a change, the environment
/// is given up with it (`lmdb_env::lost`).
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
  lmdb_env& env_;
  MDB_txn* txn_ = nullptr;
};

/// A view of the last commit. Taken from a pool and given back, so that a read
/// costs no entry in LMDB's reader table. Keep it short: pages that it can see
/// are not used again.
class lmdb_read {
public:
  explicit lmdb_read(lmdb_env& env);

  lmdb_read(const lmdb_read&) = delete;

  lmdb_read& operator=(const lmdb_read&) = delete;

  ~lmdb_read();

  /// The value under `key`. False: there is no such row. Throws `corrupt` when
  /// it meets a damaged page.
  bool get(lmdb_table table, std::string_view key, std::string_view& out);

  MDB_txn* native() const noexcept;

private:
  lmdb_env& env_;
  lmdb_reader& reader_;
};

} // namespace terrace
