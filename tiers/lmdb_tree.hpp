/// The tables that hold records, and one transaction's worth of changes to them.
/// Rows, all in one commit and exact at every commit:
///
///     data    key                     -> u64 seq, i64 until, [u32 size, key],
///                                        record (codec.hpp)
///     order   u64 seq                 -> key         who came first
///     expiry  be64 until, key         -> nothing     who expires first
///     tags    tenant, XXH3-128 of tag, key
///                                     -> nothing     who carries a tag
///     meta    "state"                 -> lmdb_state
///     meta    "n", tenant             -> u64         entries of a tenant
///
/// `seq` grows with every record that is merged: `order` is the age of entries
/// on this disk. It is used instead of the version because rows are then only
/// ever appended, and because a merge goes through keys in their order, so that
/// neighbours in `data` are neighbours in `order` and are replaced and evicted
/// together. Among the entries of one merge the age is that of their keys' order.
///
/// `until` is when the record leaves the disk: its expiry or, if sooner, the end
/// of its longest stay; 0 means never.
///
/// LMDB's keys end at 511 bytes. A longer key is stored as its first 470 bytes
/// and its XXH3-128, 486 bytes in all, which is a length that no short key has;
/// the whole key is in the row and is compared when the row is read.
#pragma once

#include "messages/record.hpp"
#include "messages/selector.hpp"
#include "tiers/codec.hpp"
#include "tiers/lmdb_env.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace terrace {

/// Totals, kept in the same transaction as what they count.
struct lmdb_state {
  static constexpr std::uint64_t current_format = 1;

  std::uint64_t format = current_format;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;       ///< keys, values, index rows
  std::uint64_t next_seq = 1;
  version_t max_version = 0;     ///< highest ever in the tree
  version_t floor = 0;           ///< records up to here are lost, see the store
  std::uint64_t filling = 0;     ///< journal that takes new changes: 0 or 1
};

/// A row of `data`, taken apart.
struct lmdb_row {
  std::uint64_t seq = 0;
  std::int64_t until = 0;
  std::string_view key;    ///< the whole key
  std::string_view record; ///< for the codec
};

/// The key of `key` in the tables: itself, or made in `scratch` if it is long.
std::string_view lmdb_key(std::string_view key, std::string& scratch);

/// The bytes with which the keys of all keys that begin with `prefix` begin.
std::string_view lmdb_key_prefix(std::string_view prefix) noexcept;

/// Takes a row apart. False: it is damaged.
bool lmdb_parse(std::string_view table_key, std::string_view value,
                lmdb_row& out) noexcept;

/// The state of an environment, a fresh one for an empty environment. Throws
/// `unsupported_format` if another version of Terrace wrote it.
lmdb_state lmdb_load_state(lmdb_env& env);

/// True if some entry's time is over.
bool lmdb_expiry_due(lmdb_env& env, std::int64_t now_ms);

/// Entries per tenant.
std::map<tenant_id, std::uint64_t> lmdb_load_counts(lmdb_env& env);

/// One write transaction. Nothing happened unless `commit` returns. Functions
/// throw `lmdb_fault`.
class lmdb_tree {
public:
  // -- constructors -----------------------------------------------------------

  lmdb_tree(lmdb_env& env, const lmdb_state& state);

  lmdb_tree(const lmdb_tree&) = delete;

  lmdb_tree& operator=(const lmdb_tree&) = delete;

  // -- changing ---------------------------------------------------------------

  /// Writes a record, already encoded, unless a newer one is there.
  void put(std::string_view key, const record& x, std::string_view encoded,
           std::int64_t until);

  /// Deletes a record unless it is newer than `version`.
  void remove(std::string_view key, version_t version);

  /// Deletes the row of `key` if it is still the one with this `seq`.
  void discard(std::string_view key, std::uint64_t seq);

  /// Deletes the oldest entries until at most `limit` bytes are left. Returns
  /// false if `budget` ended before.
  bool evict(std::uint64_t limit, std::size_t budget, std::int64_t now_ms);

  /// Deletes what expired. Returns the budget left.
  std::size_t expire(std::size_t budget, std::int64_t now_ms);

  /// Goes through at most `budget` rows that `what` may mean, from `cursor` on,
  /// and deletes those it means and whose version is at most `up_to`. Returns
  /// false when there are more, with `cursor` at the next. Live ones are counted
  /// in `purged` unless `newer(key)` holds: the overlay has replaced them.
  bool purge(const selector& what, version_t up_to, std::string& cursor,
             std::size_t budget, std::int64_t now_ms,
             const std::function<bool(const std::string&)>& newer);

  /// Writes the totals and commits. The object is of no more use then, apart
  /// from the figures below.
  void commit();

  // -- properties -------------------------------------------------------------

  lmdb_state& state() noexcept {
    return state_;
  }

  lmdb_write& txn() noexcept {
    return txn_;
  }

  /// What has to be added to the entries per tenant.
  const std::map<tenant_id, std::int64_t>& count_changes() const noexcept {
    return counts_;
  }

  std::uint64_t evicted = 0;
  std::uint64_t expired = 0;
  std::uint64_t purged = 0; ///< live ones

private:
  /// Cursors, closed before the transaction ends.
  struct cursors {
    cursors(MDB_txn* txn, const lmdb_tables& tables);

    lmdb_cursor data;
    lmdb_cursor order;
    lmdb_cursor expiry;
    lmdb_cursor tags;
  };

  void add_indexes(std::string_view table_key, std::size_t row_size,
                   const record& x, std::uint64_t seq, std::int64_t until);

  void drop_indexes(std::string_view table_key, std::string_view value);

  void erase_current(std::string_view table_key);

  bool purge_row(const selector& what, version_t up_to,
                 std::string_view table_key, std::int64_t now_ms,
                 const std::function<bool(const std::string&)>& newer);

  lmdb_env& env_;
  lmdb_state state_;
  lmdb_write txn_;
  std::optional<cursors> at_;
  std::map<tenant_id, std::int64_t> counts_;
  std::string key_buf_;
  std::string row_buf_;
  std::string index_buf_;
};

} // namespace terrace
