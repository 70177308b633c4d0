#include "tiers/s3fifo.hpp"

#include <algorithm>

namespace terrace {

namespace {

/// Hits in the small queue that earn a place in the main queue.
constexpr std::uint8_t promotion_threshold = 2;

/// Of all bytes, one part in this many is for the small queue.
constexpr std::size_t small_share = 10;

} // namespace

// -- fifo ---------------------------------------------------------------------

void s3fifo::fifo::push(memory_node& x) noexcept {
  x.prev = back;
  x.next = nullptr;
  (back ? back->next : front) = &x;
  back = &x;
  bytes += x.footprint();
  ++count;
}

void s3fifo::fifo::unlink(memory_node& x) noexcept {
  (x.prev ? x.prev->next : front) = x.next;
  (x.next ? x.next->prev : back) = x.prev;
  x.prev = x.next = nullptr;
  bytes -= x.footprint();
  --count;
}

// -- s3fifo -------------------------------------------------------------------

void s3fifo::inserted(memory_node& x) {
  x.queue = forget(x.hash()) ? main : small;
  queues_[x.queue].push(x);
}

void s3fifo::replaced(memory_node& old, memory_node& fresh) {
  // The new value stands where the old one stood. A write is an access.
  fresh.queue = old.queue;
  fresh.frequency(old.frequency());
  fresh.touch();
  auto& q = queues_[old.queue];
  fresh.prev = old.prev;
  fresh.next = old.next;
  (fresh.prev ? fresh.prev->next : q.front) = &fresh;
  (fresh.next ? fresh.next->prev : q.back) = &fresh;
  old.prev = old.next = nullptr;
  q.bytes += fresh.footprint();
  q.bytes -= old.footprint();
}

void s3fifo::erased(memory_node& x) {
  queues_[x.queue].unlink(x);
}

memory_node* s3fifo::evict() {
  for (;;) {
    auto& q = queues_[small];
    auto all = q.bytes + queues_[main].bytes;
    if (q.front && (q.bytes > all / small_share || !queues_[main].front)) {
      if (auto* victim = evict_small())
        return victim;
      continue; // all of the small queue moved to main
    }
    return evict_main();
  }
}

memory_node* s3fifo::evict_small() {
  auto& q = queues_[small];
  while (auto* x = q.front) {
    q.unlink(*x);
    if (x->frequency() < promotion_threshold) {
      remember(x->hash());
      return x;
    }
    x->frequency(0);
    x->queue = main;
    queues_[main].push(*x);
  }
  return nullptr;
}

memory_node* s3fifo::evict_main() {
  auto& q = queues_[main];
  // Ends: every round lowers a counter, unless readers raise them faster; then
  // the bound on rounds takes the node at the front.
  for (auto rounds = q.count * memory_node::max_frequency; q.front;) {
    auto* x = q.front;
    q.unlink(*x);
    auto n = x->frequency();
    if (n == 0 || rounds == 0)
      return x;
    --rounds;
    x->frequency(static_cast<std::uint8_t>(n - 1));
    q.push(*x);
  }
  return nullptr;
}

void s3fifo::remember(std::uint64_t hash) {
  ghost_set_[hash] = ++ghost_sequence_;
  ghost_ring_.emplace_back(hash, ghost_sequence_);
  // As many ghosts as the main queue has entries, at least a few.
  auto limit = std::max<std::size_t>(queues_[main].count, 64);
  while (ghost_ring_.size() > limit) {
    auto [old, sequence] = ghost_ring_.front();
    ghost_ring_.pop_front();
    auto i = ghost_set_.find(old);
    if (i != ghost_set_.end() && i->second == sequence)
      ghost_set_.erase(i);
  }
}

bool s3fifo::forget(std::uint64_t hash) {
  return ghost_set_.erase(hash) != 0;
}

std::vector<std::uint64_t> s3fifo::dump() const {
  std::vector<std::uint64_t> result;
  for (auto& q : queues_)
    for (auto* x = q.front; x; x = x->next)
      result.push_back(x->hash());
  return result;
}

} // namespace terrace
