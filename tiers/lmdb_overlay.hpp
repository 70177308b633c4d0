/// The changes that the disk tier has accepted and not yet brought into its
/// tree: a map with the newest change of each key for those who read, and for
/// the writer lists of changes by how far they have come:
///
///     active      takes new changes; not yet on disk
///     frozen      being written to disk
///     journaled   on disk in the journal that takes new changes
///     merging     on disk in the other journal, on their way into the tree
///
/// Readers ask here before they ask the tree, so that a change is visible from
/// the moment it is staged. A removal stays as a marker that hides what is
/// below. A value whose place was needed (see `lmdb_store`) leaves such a
/// marker too: the key is then a miss, never an older value. A key leaves the
/// map when no list holds a change of it any more.
///
/// Thread-safe, one mutex; one thread at a time may be the writer. Calls that
/// concern many changes give the mutex away again and again, except `each`.
#pragma once

#include "messages/record.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace terrace {

/// The newest change of a key.
struct lmdb_slot {
  record data; ///< of a removal: only the version
  bool removed = false;
  std::uint32_t refs = 0;  ///< changes of the key in the lists
  std::uint64_t round = 0; ///< the active list has it, if it is the present one
};

using lmdb_node = std::pair<const std::string, lmdb_slot>;

/// A change on its way to disk. Belongs to the writer.
struct lmdb_change {
  lmdb_node* node = nullptr;
  record data;
  bool removed = false;
  bool merged = false; ///< the tree has it already
  blob encoded;        ///< bytes of a record that was costly to encode

  const std::string& key() const noexcept {
    return node->first;
  }
};

/// Changes on the same way, oldest first.
struct lmdb_changes {
  std::vector<lmdb_change> items;
  std::uint64_t bytes = 0; ///< memory that they take, about

  bool empty() const noexcept {
    return items.empty();
  }
};

/// A change read back from a journal.
struct lmdb_replay {
  std::string key;
  record data;
  bool removed = false;
};

class lmdb_overlay {
public:
  /// What the overlay knows of a key.
  enum class state { unknown, record, removed };

  struct sizes {
    std::uint64_t staged_entries = 0; ///< not yet on disk
    std::uint64_t staged_bytes = 0;
    std::uint64_t entries = 0; ///< all, those in the journal included
    std::uint64_t bytes = 0;
  };

  // -- looking up -------------------------------------------------------------

  /// Copies the newest change of `key` to `out`; a removal has a version only.
  state find(const std::string& key, record& out) const;

  /// Runs `f` while no change can come in. `f` may call `peek`, `stage` and
  /// `drop_active`.
  template <class F>
  auto locked(F&& f) const {
    std::lock_guard lock{mutex_};
    return f();
  }

  /// The newest change of `key`, or null. Only inside `locked`.
  const lmdb_slot* peek(const std::string& key) const;

  /// Calls `f` with every key and its newest change. `f` may not call the
  /// overlay.
  void each(const std::function<void(const lmdb_node&)>& f) const;

  sizes stats() const;

  /// Memory that all changes take, about; without waiting for the mutex.
  std::uint64_t bytes() const noexcept {
    return bytes_.load(std::memory_order_relaxed);
  }

  std::uint64_t staged_bytes() const noexcept {
    return staged_bytes_.load(std::memory_order_relaxed);
  }

  // -- changing ---------------------------------------------------------------

  /// Puts a change on top, without looking at versions. Only inside `locked`.
  void stage(const std::string& key, record x, bool removed);

  /// Forgets what is active. Returns the highest version that was lost. What
  /// remains of the keys has to be hidden by the caller. Only inside `locked`.
  version_t drop_active();

  // -- the writer's side ------------------------------------------------------

  /// Closes the active list. The result is empty if there was nothing in it.
  lmdb_changes& freeze();

  /// The frozen list could not be written: makes it active again, below the
  /// changes that came since.
  void thaw();

  /// The frozen list is in the journal.
  void keep();

  /// The frozen list is in the tree.
  void drop_frozen();

  /// Turns what is in the journal into the list that is being merged, of which
  /// there must be none.
  void begin_merge();

  /// The merging list is in the tree.
  void end_merge();

  /// Adds a list read from a journal. Only before the first change.
  void restore(std::vector<lmdb_replay> xs, bool merging);

  lmdb_changes& journaled() noexcept {
    return journaled_;
  }

  lmdb_changes& merging() noexcept {
    return merging_;
  }

private:
  void release(lmdb_changes& xs);

  void account();

  mutable std::mutex mutex_;
  std::unordered_map<std::string, lmdb_slot> newest_;
  std::vector<lmdb_node*> active_;
  std::uint64_t active_bytes_ = 0;
  std::uint64_t round_ = 1;
  lmdb_changes frozen_;
  lmdb_changes journaled_;
  lmdb_changes merging_;
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> staged_bytes_{0};
};

} // namespace terrace
