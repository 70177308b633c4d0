/// One transaction's worth of changes to the tables that hold records.
#pragma once

#include "messages/selector.hpp"
#include "tiers/codec.hpp"
#include "tiers/lmdb_clock.hpp"
#include "tiers/lmdb_dictionaries.hpp"
#include "tiers/lmdb_index.hpp"
#include "tiers/lmdb_rows.hpp"
#include "tiers/lmdb_totals.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// One write transaction. Nothing happened unless `commit` returns. Functions
/// throw `lmdb_fault`.
class lmdb_tree {
public:
  // -- constructors -----------------------------------------------------------

  lmdb_tree(lmdb_env& env, const lmdb_state& state, const lmdb_fences& fences,
            lmdb_clock& clock);

  lmdb_tree(const lmdb_tree&) = delete;

  lmdb_tree& operator=(const lmdb_tree&) = delete;

  // -- changing (lmdb_tree.cpp) -----------------------------------------------

  /// Writes a record, already encoded, unless a newer one is there.
  void put(std::string_view key, const record& x, std::string_view encoded,
           std::int64_t until);

  /// Deletes a record unless it is newer than `version`.
  void remove(std::string_view key, version_t version);

  /// Deletes the row of `key` if it still has this `print` (`fingerprint`).
  void discard(std::string_view key, std::uint64_t print);

  /// Writes totals and what is in `state` and commits. The object is of no more
  /// use then, apart from the figures below.
  void commit();

  // -- making room (lmdb_room.cpp) --------------------------------------------

  /// Deletes entries that nobody has asked for lately until the tables take at
  /// most `limit` bytes of pages, at most about `budget` of them. Returns
  /// whether it is done.
  bool evict(std::uint64_t limit, std::size_t budget, std::int64_t now_ms);

  /// Deletes what expired. Returns the budget left.
  std::size_t expire(std::size_t budget, std::int64_t now_ms);

  /// Hides the entries of a group with versions up to `up_to`, which are
  /// deleted by `reclaim` later. False: it has newer ones; use `purge`.
  bool clear(const std::string& group, version_t up_to) {
    return totals_.clear(group, up_to);
  }

  /// Deletes entries that are hidden, from `cursor` on, which is empty at the
  /// beginning. Returns the budget left; none left means that there may be
  /// more.
  std::size_t reclaim(std::string& cursor, std::size_t budget);

  /// Goes through at most `budget` rows that `what` may mean, from `cursor` on,
  /// and deletes those it means and whose version is at most `up_to`. Returns
  /// false when there are more, with `cursor` at the next. Live ones are
  /// counted in `purged` unless `newer(key)` holds: the overlay has replaced
  /// them.
  bool purge(const selector& what, version_t up_to, std::string& cursor,
             std::size_t budget, std::int64_t now_ms,
             const std::function<bool(const std::string&)>& newer);

  // -- properties -------------------------------------------------------------

  lmdb_state& state() noexcept {
    return state_;
  }

  lmdb_write& txn() noexcept {
    return txn_;
  }

  const lmdb_totals& totals() const noexcept {
    return totals_;
  }

  /// Figures of a group, as they are in this transaction.
  lmdb_total of(std::string_view group) {
    return totals_.of(group);
  }

  /// Bytes of the pages that the tables take.
  std::uint64_t used() const {
    return env_.used(txn_.native());
  }

  /// What tells a row from another one under its key.
  static std::uint64_t fingerprint(std::string_view value) noexcept;

  std::uint64_t evicted = 0;
  std::uint64_t expired = 0;
  std::uint64_t purged = 0;         ///< live ones
  std::uint64_t used_at_commit = 0; ///< what `used` was then

private:
  /// Cursors, closed before the transaction ends.
  struct cursors {
    cursors(MDB_txn* txn, const lmdb_tables& tables);

    lmdb_cursor data;
    lmdb_cursor chunks;
    lmdb_cursor expiry;
    lmdb_cursor tags;
  };

  bool newer(std::string_view table_key, std::string_view key,
             version_t version) const;

  bool other(std::string_view table_key, std::string_view key) const;

  void add_chunks(lmdb_row& row);

  void drop_chunks(const lmdb_row& row);

  void add_indexes(std::string_view table_key, std::size_t row_size,
                   const lmdb_row& row, const record& x);

  void drop_indexes(std::string_view table_key, std::string_view value);

  void erase_current(std::string_view table_key);

  bool hidden(std::string_view table_key, const lmdb_row& row) const;

  bool pass(std::string_view table_key, std::int64_t now_ms);

  std::size_t reclaim_tenant(const std::string& group, std::string& cursor,
                             std::size_t budget);

  std::size_t reclaim_tag(const std::string& group, std::string& cursor,
                          std::size_t budget);

  bool purge_row(const selector& what, version_t up_to,
                 std::string_view table_key, std::int64_t now_ms,
                 const std::function<bool(const std::string&)>& newer);

  lmdb_env& env_;
  lmdb_state state_;
  lmdb_clock& clock_;
  lmdb_write txn_;
  lmdb_totals totals_;
  std::optional<cursors> at_;
  std::optional<std::string> hand_; ///< moved by `evict`
  lmdb_uses uses_;                  ///< of dictionaries
  std::string key_buf_;
  std::string row_buf_;
  std::string index_buf_;
};

} // namespace terrace
