/// The changes that the disk tier has accepted and not yet brought into its
/// tree: the newest change of each key, for those who read, and for the writer
/// lists of keys by how far their changes have come:
///
///     active      takes new changes; not yet on disk
///     frozen      being written to disk
///     journaled   on disk in the journal that takes new changes
///     merging     on disk in the other journal, on their way into the tree
///
/// A key may be in several lists but in each only once, and has one value: what
/// it takes in memory depends on how many keys change, not on how often.
///
/// Readers ask here before they ask the tree, so that a change is visible from
/// the moment it is staged. A removal stays as a marker that hides what is
/// below. A value whose place was needed (see `lmdb_store`) leaves such a
/// marker too: the key is then a miss, never an older value. A key is forgotten
/// when no list has it any more.
///
/// Thread-safe, one mutex; one thread at a time may be the writer. Calls that
/// concern many changes give the mutex away again and again, except `each`.
#pragma once

#include "tiers/lmdb_index.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// A change as it is when the writer's turn comes.
struct lmdb_change {
  lmdb_node* node = nullptr;
  record data;
  blob encoded; ///< see `lmdb_node`
  bool removed = false;

  std::string_view key() const noexcept {
    return node->key();
  }
};

/// A change read back from a journal.
struct lmdb_replay {
  std::string key;
  record data;
  bool removed = false;
  bool damaged = false; ///< a record whose checksum does not hold, removed
};

class lmdb_overlay {
public:
  /// What the overlay knows of a key.
  enum class state { unknown, record, removed };

  struct sizes {
    std::uint64_t staged_entries = 0; ///< not yet on disk
    std::uint64_t staged_bytes = 0;
    std::uint64_t entries = 0; ///< all, those in the journals included
    std::uint64_t bytes = 0;
  };

  // -- looking up -------------------------------------------------------------

  /// Copies the newest change of `key` to `out`; a removal has a version only.
  state find(std::string_view key, record& out) const;

  /// Runs `f` while no change can come in. `f` may call the functions that say
  /// "only inside `locked`".
  template <class F>
  auto locked(F&& f) const {
    std::lock_guard lock{mutex_};
    return f();
  }

  /// The newest change of a key, or null. Only inside `locked`.
  const lmdb_node* peek(const lmdb_probe& key) const noexcept {
    return index_.find(key);
  }

  const lmdb_node* peek(std::string_view key) const noexcept {
    return peek(lmdb_probe{key});
  }

  /// Announces look-ups. Only inside `locked`.
  void prefetch(std::span<const lmdb_probe> keys) const noexcept;

  /// Calls `f` with every key's newest change. `f` may not call the overlay.
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

  /// Puts a change on top, without looking at versions. `known` is what `peek`
  /// said of `key`. Only inside `locked`.
  void stage(const lmdb_probe& key, const lmdb_node* known, record x,
             bool removed);

  /// Forgets what is active. Returns the highest version that was lost. What
  /// remains of the keys has to be hidden by the caller. Only inside `locked`.
  version_t drop_active();

  // -- the writer's side ------------------------------------------------------

  /// Closes the active list. Returns how many keys are frozen.
  std::size_t freeze();

  /// The frozen keys.
  std::span<lmdb_node* const> frozen() const noexcept {
    return frozen_;
  }

  /// Copies the changes of some frozen keys, from the `begin`th on, to `out`. A
  /// change that was replaced since comes in the newer form, and once more with
  /// the next list.
  void copy_frozen(std::size_t begin, std::size_t n,
                   std::vector<lmdb_change>& out) const;

  /// Whether a change is frozen and nothing older of its key is in a journal.
  bool only_frozen(const lmdb_change& x) const;

  /// Keeps the bytes of a change that were costly to make, unless it has been
  /// replaced.
  void keep_encoded(const lmdb_change& x, blob encoded);

  /// The frozen list could not be written: makes it active again.
  void thaw();

  /// The frozen list is in the journal, apart from the keys at the indexes
  /// `merged`, in ascending order, which are in the tree.
  void keep(std::span<const std::size_t> merged);

  /// The frozen list is in the tree.
  void drop_frozen();

  /// Whether keys are in the journal that takes new changes.
  bool journaled() const noexcept {
    return !journals_[filling_].empty();
  }

  /// Turns what is in the journal into the list that is being merged, of which
  /// there must be none.
  std::span<lmdb_node* const> begin_merge();

  /// Undoes `begin_merge`, before any other call of the writer.
  void cancel_merge();

  /// The keys that are being merged.
  std::span<lmdb_node* const> merging() const noexcept {
    return journals_[filling_ ^ 1];
  }

  /// Copies the changes of keys that are being merged to `out`. With
  /// `skip_newer` a key that has been changed since is left out: the change is
  /// on its way through the other journal. Returns whether one of those is not
  /// in that journal yet.
  bool copy_merging(std::span<lmdb_node* const> xs, bool skip_newer,
                    std::vector<lmdb_change>& out) const;

  /// The merging list is in the tree.
  void end_merge();

  /// Nothing is on disk any more: makes all changes active.
  void restage();

  /// Adds a change read from a journal. Only before any other change, and the
  /// merging journal first.
  void restore(lmdb_replay x, bool merging);

private:
  using list = std::vector<lmdb_node*>;

  static constexpr std::uint8_t bit(unsigned journal) noexcept {
    return static_cast<std::uint8_t>(1u << journal);
  }

  void activate(lmdb_node& x);

  void set(lmdb_node& x, record data, bool removed);

  void leave(lmdb_node& x);

  mutable std::mutex mutex_;
  lmdb_index index_;
  list active_;
  list frozen_;
  std::array<list, 2> journals_;
  unsigned filling_ = 0; ///< of `journals_`, the one that takes changes
  std::uint64_t round_ = 1;
  std::uint64_t frozen_bytes_ = 0;
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> staged_bytes_{0};
};

} // namespace terrace
