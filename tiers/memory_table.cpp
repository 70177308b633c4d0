#include "tiers/memory_table.hpp"

#include <algorithm>
#include <bit>

namespace terrace {

memory_table::bucket_array::~bucket_array() {
  for (auto& b : buckets) {
    for (auto* x = b.overflow.load(std::memory_order_relaxed); x;) {
      auto* next = x->overflow.load(std::memory_order_relaxed);
      delete x;
      x = next;
    }
  }
}

memory_table::memory_table(std::shared_ptr<epoch_domain> domain,
                           std::size_t expected_entries)
  : domain_(std::move(domain)) {
  auto n
    = std::bit_ceil(std::max<std::size_t>(expected_entries / max_load, 64));
  array_.store(new bucket_array(n), std::memory_order_release);
}

memory_table::~memory_table() {
  for (auto& x : retired_)
    dispose(x);
  auto* array = array_.load(std::memory_order_relaxed);
  for (std::uint64_t i = 0; i <= array->mask; ++i)
    visit(i, [](memory_node* x) { x->deref(); });
  delete array;
}

const memory_node* memory_table::find(std::string_view key,
                                      std::uint64_t hash) const noexcept {
  for (auto* b = &bucket_of(hash); b;
       b = b->overflow.load(std::memory_order_acquire)) {
    for (auto& slot : b->slots) {
      auto word = slot.load(std::memory_order_acquire);
      if (tag_matches(word, hash)) {
        auto* node = node_of(word);
        if (node->key() == key)
          return node;
      }
    }
  }
  return nullptr;
}

void memory_table::prefetch_node(std::uint64_t hash) const noexcept {
  for (auto& slot : bucket_of(hash).slots) {
    auto word = slot.load(std::memory_order_acquire);
    if (tag_matches(word, hash)) {
      auto* p = reinterpret_cast<const char*>(node_of(word));
      __builtin_prefetch(p);
      __builtin_prefetch(p + 64);
      __builtin_prefetch(p + 128);
    }
  }
}

std::atomic<std::uint64_t>*
memory_table::find_slot(std::string_view key, std::uint64_t hash) noexcept {
  auto* array = array_.load(std::memory_order_relaxed);
  for (auto* b = &array->buckets[hash & array->mask]; b;
       b = b->overflow.load(std::memory_order_relaxed))
    for (auto& slot : b->slots) {
      auto word = slot.load(std::memory_order_relaxed);
      if (tag_matches(word, hash) && node_of(word)->key() == key)
        return &slot;
    }
  return nullptr;
}

void memory_table::link(bucket_array& array, std::uint64_t word,
                        std::uint64_t hash) {
  for (auto* b = &array.buckets[hash & array.mask];;) {
    for (auto& slot : b->slots) {
      if (slot.load(std::memory_order_relaxed) == 0) {
        slot.store(word, std::memory_order_release);
        return;
      }
    }
    auto* next = b->overflow.load(std::memory_order_relaxed);
    if (!next) {
      next = new bucket;
      b->overflow.store(next, std::memory_order_release);
    }
    b = next;
  }
}

memory_node* memory_table::insert(memory_node* x) {
  if (auto* slot = find_slot(x->key(), x->hash())) {
    auto* old = node_of(slot->load(std::memory_order_relaxed));
    slot->store(word_of(x), std::memory_order_release);
    return old;
  }
  auto* array = array_.load(std::memory_order_relaxed);
  if (size_ >= max_load * array->buckets.size()) {
    grow();
    array = array_.load(std::memory_order_relaxed);
  }
  link(*array, word_of(x), x->hash());
  ++size_;
  return nullptr;
}

memory_node* memory_table::erase(std::string_view key,
                                 std::uint64_t hash) noexcept {
  auto* slot = find_slot(key, hash);
  if (!slot)
    return nullptr;
  auto* node = node_of(slot->load(std::memory_order_relaxed));
  slot->store(0, std::memory_order_release);
  --size_;
  return node;
}

void memory_table::grow() {
  auto* old = array_.load(std::memory_order_relaxed);
  auto* array = new bucket_array(old->buckets.size() * 2);
  for (std::uint64_t i = 0; i <= old->mask; ++i)
    visit(i, [array](memory_node* x) { link(*array, word_of(x), x->hash()); });
  array_.store(array, std::memory_order_release);
  retired_.push_back({domain_->now(), nullptr, old});
}

void memory_table::retire(memory_node* x) {
  retired_.push_back({domain_->now(), x, nullptr});
  if (retired_.size() >= reclaim_at_)
    reclaim();
}

void memory_table::reclaim() {
  auto safe = domain_->advance();
  // Numbers only grow, so what can be freed is at the front.
  auto end = std::find_if(retired_.begin(), retired_.end(),
                          [=](auto& x) { return x.epoch >= safe; });
  std::for_each(retired_.begin(), end, dispose);
  retired_.erase(retired_.begin(), end);
  // A stalled reader must not make every further write walk the list.
  reclaim_at_ = std::max<std::size_t>(512, retired_.size() * 2);
}

void memory_table::dispose(const garbage& x) noexcept {
  if (x.node)
    x.node->deref();
  delete x.array;
}

std::uint64_t memory_table::next_cursor(std::uint64_t cursor,
                                        std::uint64_t mask) noexcept {
  auto reverse = [](std::uint64_t x) {
    auto swap = [&](unsigned n, std::uint64_t low) {
      x = (x >> n & low) | (x & low) << n;
    };
    swap(1, 0x5555555555555555);
    swap(2, 0x3333333333333333);
    swap(4, 0x0f0f0f0f0f0f0f0f);
    return __builtin_bswap64(x);
  };
  return reverse(reverse(cursor | ~mask) + 1);
}

} // namespace terrace
