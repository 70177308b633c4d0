#include "tiers/epoch.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace terrace {

namespace {

bool membarrier(int command) noexcept {
  return ::syscall(SYS_membarrier, command, 0, 0) == 0;
}

/// Allows the process to fence all its threads. False where the kernel cannot
/// or a sandbox does not let it.
bool may_fence_threads() noexcept {
  return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
         && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

/// A child of fork has to ask again.
bool fence_threads() noexcept {
  return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) || may_fence_threads();
}

} // namespace

// -- slots --------------------------------------------------------------------

epoch_domain::pool::~pool() {
  for (auto* x = first.load(std::memory_order_relaxed); x;)
    delete std::exchange(x, x->next);
}

reader_slot* epoch_domain::pool::acquire() {
  std::lock_guard lock{mutex};
  auto* newest = first.load(std::memory_order_relaxed);
  for (auto* x = newest; x; x = x->next) {
    if (!x->used.load(std::memory_order_relaxed)) {
      x->used.store(true, std::memory_order_relaxed);
      return x;
    }
  }
  auto* x = new reader_slot;
  x->rings = std::make_unique<access_ring[]>(writers);
  x->used.store(true, std::memory_order_relaxed);
  x->number = newest ? newest->number + 1 : 0;
  x->next = newest;
  first.store(x, std::memory_order_release);
  return x;
}

void epoch_domain::pool::release(reader_slot* x) {
  std::lock_guard lock{mutex};
  // The counters stay: they are part of the domain's totals.
  x->used.store(false, std::memory_order_relaxed);
}

// -- domain -------------------------------------------------------------------

thread_local std::uint64_t epoch_domain::last_id_ = 0;
thread_local reader_slot* epoch_domain::last_slot_ = nullptr;

epoch_domain::epoch_domain(std::size_t writers)
  : writers_fence_(may_fence_threads()),
    pool_(std::make_shared<pool>(writers)) {
  static std::atomic<std::uint64_t> ids{0};
  id_ = ids.fetch_add(1, std::memory_order_relaxed) + 1;
}

epoch_domain::~epoch_domain() = default;

reader_slot* epoch_domain::find_slot() {
  struct held {
    std::uint64_t id;
    std::shared_ptr<pool> from;
    reader_slot* slot;
  };
  // Gives the slots of a thread back when the thread ends.
  struct holder {
    std::vector<held> xs;

    ~holder() {
      for (auto& x : xs)
        x.from->release(x.slot);
      last_id_ = 0;
    }
  };
  static thread_local holder mine;
  for (auto& x : mine.xs) {
    if (x.id == id_) {
      last_id_ = id_;
      last_slot_ = x.slot;
      return x.slot;
    }
  }
  auto* slot = pool_->acquire();
  mine.xs.push_back({id_, pool_, slot});
  last_id_ = id_;
  last_slot_ = slot;
  return slot;
}

std::uint64_t epoch_domain::advance() noexcept {
  auto result = epoch_.fetch_add(1, std::memory_order_seq_cst) + 1;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (writers_fence_ && !fence_threads())
    return 0; // nobody can say what readers see
  // A slot that comes later belongs to a reader of the new epoch.
  each_slot([&](const reader_slot& x) {
    auto seen = x.epoch.load(std::memory_order_acquire);
    if (seen != 0 && seen < result)
      result = seen;
  });
  return result;
}

epoch_domain::totals epoch_domain::sum() const {
  totals result;
  each_slot([&](const reader_slot& x) {
    result.hits += x.hits.load(std::memory_order_relaxed);
    result.misses += x.misses.load(std::memory_order_relaxed);
  });
  return result;
}

} // namespace terrace
