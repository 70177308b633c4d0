/// Epoch-based reclamation: lets one writer unlink objects that readers in
/// other threads may still be looking at, and frees them when the last such
/// reader has moved on. Readers take no lock and share no cache line with each
/// other.
///
/// Source: K. Fraser, "Practical lock-freedom", 2004, section 5.2.3; here with
/// a single global counter and a slot per reading thread. A reader that stalls
/// inside a guard delays reclamation, never correctness.
///
/// A reader's store and its look at the table must not change places. Readers
/// come a thousand times as often as writers look at their slots, so the fence
/// is the writers': membarrier(2) runs one in every thread (M. Desnoyers,
/// P. McKenney et al., "User-level implementations of read-copy update", IEEE
/// TPDS 2012). Where the system does not have that, readers fence themselves.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace terrace {

/// The last things that one thread had to do with. The oldest are overwritten:
/// who reads them late has lost some, and the thread never waits.
struct alignas(64) access_ring {
  static constexpr std::size_t size = 64;

  std::atomic<std::uint64_t> count{0}; ///< ever remembered
  std::array<std::atomic<std::uint32_t>, size> ids{};

  /// For the owner.
  void remember(std::uint32_t x) noexcept {
    // Nobody else writes: no read-modify-write needed.
    auto n = count.load(std::memory_order_relaxed);
    ids[n % size].store(x, std::memory_order_relaxed);
    count.store(n + 1, std::memory_order_release);
  }
};

/// What one thread shows to the writers of one domain, and its own counters.
/// Only the owning thread writes to it; anyone may read.
struct alignas(128) reader_slot {
  std::atomic<std::uint64_t> epoch{0}; ///< 0: not inside a guard
  std::uint32_t depth = 0;             ///< guards of the owner, nested
  std::atomic<bool> used{false};
  std::atomic<std::uint64_t> hits{0};
  std::atomic<std::uint64_t> misses{0};
  // Of slots in a domain's list; set once.
  std::size_t number = 0;
  reader_slot* next = nullptr;
  std::unique_ptr<access_ring[]> rings; ///< one per writer
};

/// One domain protects a set of tables. Thread-safe.
class epoch_domain {
public:
  // -- constructors -----------------------------------------------------------

  /// Readers keep a ring for each of so many writers.
  explicit epoch_domain(std::size_t writers = 1);

  epoch_domain(const epoch_domain&) = delete;

  epoch_domain& operator=(const epoch_domain&) = delete;

  ~epoch_domain();

  // -- readers ----------------------------------------------------------------

  /// While it lives, nothing that the thread could reach when it was made is
  /// freed. Cheap (one store); may be nested; must stay on its thread.
  class guard {
  public:
    explicit guard(epoch_domain& domain) : slot_(domain.slot_of_thread()) {
      if (slot_->depth++ == 0) {
        slot_->epoch.store(domain.epoch_.load(std::memory_order_relaxed),
                           std::memory_order_relaxed);
        // Either the writer sees this slot, or we see what it unlinked.
        if (domain.writers_fence_) [[likely]]
          std::atomic_signal_fence(std::memory_order_seq_cst);
        else
          std::atomic_thread_fence(std::memory_order_seq_cst);
      }
    }

    guard(guard&& x) noexcept : slot_(std::exchange(x.slot_, nullptr)) {
      // nop
    }

    guard& operator=(guard&&) = delete;

    ~guard() {
      if (slot_ && --slot_->depth == 0)
        slot_->epoch.store(0, std::memory_order_release);
    }

    reader_slot& slot() const noexcept {
      return *slot_;
    }

  private:
    reader_slot* slot_;
  };

  // -- writers ----------------------------------------------------------------

  /// Number to put beside something that was just unlinked.
  std::uint64_t now() const noexcept {
    return epoch_.load(std::memory_order_relaxed);
  }

  /// Starts a new epoch; what was unlinked with a number below the result can
  /// be freed. Takes some microseconds where other threads run.
  std::uint64_t advance() noexcept;

  /// Calls `f` with the slot of every thread that ever read.
  template <class F>
  void each_slot(F&& f) const {
    for (auto* x = pool_->first.load(std::memory_order_acquire); x; x = x->next)
      f(static_cast<const reader_slot&>(*x));
  }

  // -- counters ---------------------------------------------------------------

  struct totals {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
  };

  /// Sum of the counters of all threads, gone ones included.
  totals sum() const;

private:
  /// The slots of a domain. Outlives the domain while a thread still holds a
  /// slot. Slots are never freed before the pool, so writers walk them without
  /// a lock.
  struct pool {
    explicit pool(std::size_t n) : writers(n) {
      // nop
    }

    ~pool();

    reader_slot* acquire();

    void release(reader_slot* x);

    std::size_t writers;
    std::atomic<reader_slot*> first{nullptr};
    std::mutex mutex; ///< of whoever comes or goes
  };

  reader_slot* slot_of_thread() {
    if (last_id_ == id_) [[likely]]
      return last_slot_;
    return find_slot();
  }

  reader_slot* find_slot();

  // The slot this thread used last, and the domain it belongs to. Domain ids
  // are never reused, so a stale pair cannot match.
  static thread_local std::uint64_t last_id_;
  static thread_local reader_slot* last_slot_;

  std::uint64_t id_;
  const bool writers_fence_; ///< for all threads
  std::atomic<std::uint64_t> epoch_{1};
  std::shared_ptr<pool> pool_;
};

} // namespace terrace
