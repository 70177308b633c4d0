/// How many entries belong to a tenant or carry a tag, and which of them have
/// been cleared, at a cost that does not depend on their number.
///
/// Clearing a group puts up a fence: entries of the group with a version up to
/// it are hidden from then on. Nothing else is written; their rows are deleted
/// in the background (`lmdb_tree::reclaim`), and the fence goes when none is
/// left. The totals say how many rows there are and how many of them are
/// hidden, so that what is left is known at any time.
///
/// An entry may carry two tags that are both cleared before it has been
/// deleted: the tenant's figures are then too small by such entries until it
/// has. Apart from that they are exact.
///
/// Not thread-safe. `lmdb_totals` is of one write transaction.
#pragma once

#include "messages/record.hpp"
#include "tiers/lmdb_env.hpp"
#include "tiers/lmdb_rows.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// A row of `totals`, written to disk as it is.
struct lmdb_total {
  std::uint64_t entries = 0; ///< rows, hidden ones included
  std::uint64_t bytes = 0;
  std::uint64_t hidden_entries = 0;
  std::uint64_t hidden_bytes = 0;
  version_t max_version = 0; ///< highest that it ever had
  version_t seen = 0; ///< of a tag: the tenant's fence that its figures know

  std::uint64_t live_entries() const noexcept {
    return entries - hidden_entries;
  }

  std::uint64_t live_bytes() const noexcept {
    return bytes - hidden_bytes;
  }
};

/// The fences that stand, by group (see lmdb_rows.hpp).
class lmdb_fences {
public:
  bool empty() const noexcept {
    return groups_.empty();
  }

  /// The version up to which a group is hidden; 0: nothing is.
  version_t of(std::string_view group) const noexcept;

  /// Whether a record is hidden.
  bool hides(std::string_view key, const std::vector<std::string>& tags,
             version_t version) const;

  void set(std::string group, version_t up_to);

  void erase(const std::string& group);

  /// Forgets the fences of a tenant's tags.
  std::vector<std::string> erase_tags(std::string_view tenant);

  /// A group whose rows are to be deleted, or none.
  const std::string* first() const noexcept;

  /// Whether a tag of the tenant is hidden.
  bool has_tags(std::string_view tenant) const noexcept;

  const std::map<std::string, version_t, std::less<>>& all() const noexcept {
    return groups_;
  }

private:
  std::map<std::string, version_t, std::less<>> groups_;
};

class lmdb_totals {
public:
  /// Reads through `txn` and writes to it when it is saved.
  lmdb_totals(lmdb_env& env, MDB_txn* txn, lmdb_state& state,
              lmdb_fences fences);

  /// A row has been written or deleted; `bytes` is its footprint.
  void add(std::string_view key, std::span<const std::string> tags,
           version_t version, std::uint64_t bytes);

  void drop(std::string_view key, std::span<const std::string> tags,
            version_t version, std::uint64_t bytes);

  /// A damaged row of which only the key is known has been deleted.
  void drop(std::string_view key, std::uint64_t bytes);

  /// Hides what a group holds up to `up_to`. None: it holds something newer, or
  /// may; then nothing was done.
  bool clear(const std::string& group, version_t up_to);

  /// All rows that a fence hid are gone.
  void lift(const std::string& group);

  /// Figures of a group.
  lmdb_total of(std::string_view group);

  const lmdb_fences& fences() const noexcept {
    return fences_;
  }

  /// The groups whose figures changed.
  const std::map<std::string, lmdb_total, std::less<>>&
  changed() const noexcept {
    return groups_;
  }

  /// Writes what changed.
  void save();

private:
  using table = std::map<std::string, lmdb_total, std::less<>>;

  lmdb_total& at(std::string_view group);

  lmdb_total& tag(std::string_view group, version_t tenant_fence);

  void hide(lmdb_total& x, std::uint64_t entries, std::uint64_t bytes);

  void unhide(lmdb_total& x, std::uint64_t entries, std::uint64_t bytes);

  lmdb_env& env_;
  MDB_txn* txn_;
  lmdb_state& state_;
  lmdb_fences fences_;
  bool fences_changed_ = false;
  std::vector<std::string> lifted_;
  table groups_; ///< what this transaction has touched
};

/// The totals of all tenants.
std::map<tenant_id, lmdb_total> lmdb_load_tenants(lmdb_env& env);

lmdb_fences lmdb_load_fences(lmdb_env& env);

} // namespace terrace
