/// The changes that the disk tier has accepted and not yet brought into its
/// tree, in four layers, newest first:
///
///     active      takes new changes; not yet on disk
///     frozen      being written to disk by the writer
///     journaled   on disk in the journal that takes new changes
///     merging     on disk in the other journal, on their way into the tree
///
/// Readers ask here before they ask the tree, so that a change is visible from
/// the moment it is staged. A removal stays as a marker that hides what is below.
/// A value whose place was needed (see `lmdb_store`) leaves such a marker too:
/// the key is then a miss, never an older value.
///
/// Thread-safe; one mutex. `keep` and `thaw`, which move many changes from layer
/// to layer, give it away again and again; a change that is being moved is in
/// one of the two layers at every moment. `each` holds it for the time it takes
/// to go through all changes.
#pragma once

#include "messages/record.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace terrace {

/// The newest thing that happened to a key.
struct lmdb_change {
  record data;          ///< of a removal: only the version
  bool removed = false;

  /// Belongs to the writer; readers never look at it. The bytes of a record that
  /// was costly to encode.
  mutable blob encoded;
  /// Likewise: the tree has the change already.
  mutable bool merged = false;
};

struct lmdb_layer {
  std::unordered_map<std::string, lmdb_change> changes;
  std::uint64_t bytes = 0;
};

class lmdb_overlay {
public:
  /// What the overlay knows of a key.
  enum class state { unknown, record, removed };

  struct sizes {
    std::uint64_t staged_entries = 0; ///< not yet on disk
    std::uint64_t staged_bytes = 0;
    std::uint64_t entries = 0; ///< all, those in the journal included
    std::uint64_t bytes = 0;   ///< memory that all of them take, about
  };

  /// Memory that a change takes, about.
  static std::uint64_t cost(std::string_view key, const record& x) noexcept;

  // -- looking up -------------------------------------------------------------

  /// Copies the newest change of `key` to `out`; a removal has a version only.
  state find(const std::string& key, record& out) const;

  /// Runs `f` while no change can come in. `f` may call `peek` and `stage`.
  template <class F>
  auto locked(F&& f) const {
    std::lock_guard lock{mutex_};
    return f();
  }

  /// The newest change of `key`, or null. Only inside `locked`.
  const lmdb_change* peek(const std::string& key) const;

  /// Calls `f(key, change)` with the newest change of every key for which
  /// `wanted(key)` holds. Neither may call the overlay.
  void each(const std::function<bool(std::string_view)>& wanted,
            const std::function<void(const std::string&,
                                     const lmdb_change&)>& f) const;

  sizes stats() const;

  /// Bytes of `stats()`, without waiting for the mutex.
  std::uint64_t bytes() const noexcept {
    return bytes_.load(std::memory_order_relaxed);
  }

  std::uint64_t staged_bytes() const noexcept {
    return staged_bytes_.load(std::memory_order_relaxed);
  }

  // -- changing ---------------------------------------------------------------

  /// Puts a change on top, without looking at versions. Only inside `locked`.
  void stage(const std::string& key, record x, bool removed);

  /// Forgets what is active. Returns the highest version that was lost. Only
  /// inside `locked`.
  version_t drop_active();

  // -- the writer's side: one thread at a time ---------------------------------

  /// Closes the active layer and returns it; null if it is empty.
  const lmdb_layer* freeze();

  /// The frozen layer, if there is one, could not be written: makes it active
  /// again, below the changes that came since.
  void thaw();

  /// The frozen layer is in the journal.
  void keep();

  /// The frozen layer is in the tree.
  void drop_frozen();

  /// Turns what is in the journal into the layer that is being merged, of which
  /// there must be none.
  void begin_merge();

  /// The merging layer is in the tree.
  void end_merge();

  /// Puts in what was read from the journals. Only before the first change.
  void restore(lmdb_layer journaled, lmdb_layer merging);

  /// The layers, for the writer, which alone changes them.
  const lmdb_layer& journaled() const noexcept {
    return journaled_;
  }

  const lmdb_layer& merging() const noexcept {
    return merging_;
  }

private:
  void drop(lmdb_layer& x);

  void account();

  mutable std::mutex mutex_;
  lmdb_layer active_;
  lmdb_layer frozen_;
  lmdb_layer journaled_;
  lmdb_layer merging_;
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> staged_bytes_{0};
};

} // namespace terrace
