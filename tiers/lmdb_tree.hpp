/// One transaction's worth of changes to the tables that hold records.
#pragma once

#include "messages/selector.hpp"
#include "tiers/codec.hpp"
#include "tiers/lmdb_rows.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace terrace {

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
  /// false when there are more, with `cursor` at the next. Live ones are
  /// counted in `purged` unless `newer(key)` holds: the overlay has replaced
  /// them.
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
                   const record& x, std::int64_t until);

  void drop_indexes(std::string_view table_key, std::string_view value,
                    bool keep_order);

  void erase_current(std::string_view table_key);

  bool purge_row(const selector& what, version_t up_to,
                 std::string_view table_key, std::int64_t now_ms,
                 const std::function<bool(const std::string&)>& newer);

  lmdb_env& env_;
  lmdb_state state_;
  lmdb_write txn_;
  std::optional<cursors> at_;
  std::uint64_t middle_ = 0; /// smaller values of `seq` are the older half
  std::map<tenant_id, std::int64_t> counts_;
  std::string key_buf_;
  std::string row_buf_;
  std::string index_buf_;
};

} // namespace terrace
