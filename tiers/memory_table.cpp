#include "tiers/memory_table.hpp"

#include <algorithm>
#include <bit>
#include <new>

namespace terrace {

namespace {

constexpr std::uint64_t low_bits = 0x0101010101010101;
constexpr std::uint64_t high_bits = 0x8080808080808080;

/// Nodes that are asked of the processor before they are freed.
constexpr std::ptrdiff_t freed_ahead = 8;

/// A high bit for each byte of `x` that is zero, and sometimes for the byte
/// above such a one.
constexpr std::uint64_t zero_bytes(std::uint64_t x) noexcept {
  return (x - low_bits) & ~x & high_bits;
}

} // namespace

// -- buckets ------------------------------------------------------------------

void memory_table::bucket::tag(std::size_t slot, std::uint8_t x) noexcept {
  if (slot < 8) {
    auto shift = 8 * slot;
    auto now = tags.load(std::memory_order_relaxed);
    now &= ~(std::uint64_t{0xff} << shift);
    tags.store(now | std::uint64_t{x} << shift, std::memory_order_release);
  } else {
    auto shift = 8 * (slot - 8);
    auto now = tags2.load(std::memory_order_relaxed);
    now &= ~(std::uint32_t{0xff} << shift);
    tags2.store(now | std::uint32_t{x} << shift, std::memory_order_release);
  }
}

template <class F>
bool memory_table::match(const bucket& x, std::uint8_t tag, F&& f) noexcept {
  auto some = [&f](std::uint64_t found, std::size_t first) {
    for (; found != 0; found &= found - 1)
      if (f(first + static_cast<std::size_t>(std::countr_zero(found)) / 8))
        return true;
    return false;
  };
  auto wanted = tag * low_bits;
  if (some(zero_bytes(x.tags.load(std::memory_order_acquire) ^ wanted), 0))
    return true;
  // The upper half is made to differ in every byte.
  auto rest = std::uint64_t{x.tags2.load(std::memory_order_acquire)} ^ wanted;
  return some(zero_bytes(rest | ~std::uint64_t{0} << 32), 8);
}

memory_table::bucket_array::bucket_array(memory_arena& from, std::size_t n)
  : arena(from), mask(n - 1), overflow_limit(n / 4 + 16) {
  auto* memory = arena.allocate_run(bytes());
  if (!memory)
    throw std::bad_alloc{};
  // Zero bytes are empty buckets.
  buckets = static_cast<bucket*>(memory);
}

memory_table::bucket_array::~bucket_array() {
  arena.free_run(buckets, bytes());
}

// -- constructors -------------------------------------------------------------

memory_table::memory_table(std::shared_ptr<epoch_domain> domain,
                           std::size_t expected_entries, std::uint64_t seed)
  : seed_(seed), domain_(std::move(domain)) {
  auto n
    = std::bit_ceil(std::max<std::size_t>(expected_entries / max_load, 16));
  arena_ = memory_arena::make();
  base_ = arena_->base();
  try {
    array_.store(new bucket_array{*arena_, n}, std::memory_order_release);
  } catch (const std::bad_alloc&) {
    arena_->close();
    throw;
  }
}

memory_table::~memory_table() {
  for (auto& x : retired_)
    dispose(x);
  auto* array = array_.load(std::memory_order_relaxed);
  for (std::uint64_t i = 0; i <= array->mask; ++i)
    visit(i, [this](memory_node* x) { x->dispose(*arena_); });
  delete array;
  arena_->close();
}

// -- readers ------------------------------------------------------------------

const memory_node* memory_table::find(std::string_view key,
                                      std::uint64_t hash) const noexcept {
  auto* array = array_.load(std::memory_order_acquire);
  const memory_node* result = nullptr;
  auto tag = tag_of(hash);
  for (auto* b = &array->buckets[hash & array->mask]; b;
       b = array->after(*b, std::memory_order_acquire)) {
    auto found = match(*b, tag, [&](std::size_t slot) {
      auto id = b->ids[slot].load(std::memory_order_acquire);
      if (id == 0)
        return false;
      result = node_of(id);
      auto* lines = reinterpret_cast<const char*>(result);
      __builtin_prefetch(lines + 64);
      __builtin_prefetch(lines + 128);
      return result->key() == key;
    });
    if (found)
      return result;
  }
  return nullptr;
}

void memory_table::prefetch_node(std::uint64_t hash) const noexcept {
  auto& b = bucket_of(hash);
  match(b, tag_of(hash), [&](std::size_t slot) {
    auto* p = reinterpret_cast<const char*>(
      node_of(b.ids[slot].load(std::memory_order_acquire)));
    __builtin_prefetch(p);
    __builtin_prefetch(p + 64);
    __builtin_prefetch(p + 128);
    return false;
  });
}

// -- the writer ---------------------------------------------------------------

memory_table::place
memory_table::find_place(std::string_view key,
                         std::uint64_t hash) const noexcept {
  auto* array = array_.load(std::memory_order_relaxed);
  place result;
  for (auto* b = &array->buckets[hash & array->mask]; b;
       b = array->after(*b, std::memory_order_relaxed)) {
    auto found = match(*b, tag_of(hash), [&](std::size_t slot) {
      auto id = b->ids[slot].load(std::memory_order_relaxed);
      result = {b, slot};
      return id != 0 && node_of(id)->key() == key;
    });
    if (found)
      return result;
  }
  return {};
}

memory_table::place
memory_table::find_place(const memory_node& x,
                         std::uint64_t hash) const noexcept {
  auto* array = array_.load(std::memory_order_relaxed);
  auto id = id_of(x);
  for (auto* b = &array->buckets[hash & array->mask]; b;
       b = array->after(*b, std::memory_order_relaxed))
    for (std::size_t slot = 0; slot < slots_per_bucket; ++slot)
      if (b->ids[slot].load(std::memory_order_relaxed) == id)
        return {b, slot};
  return {};
}

/// False if there is no overflow bucket left.
bool memory_table::link(bucket_array& array, item_id id,
                        std::uint64_t hash) noexcept {
  auto* b = &array.buckets[hash & array.mask];
  for (;;) {
    for (std::size_t slot = 0; slot < slots_per_bucket; ++slot) {
      if (b->ids[slot].load(std::memory_order_relaxed) == 0) {
        b->ids[slot].store(id, std::memory_order_release);
        b->tag(slot, tag_of(hash));
        return true;
      }
    }
    auto* next = array.after(*b, std::memory_order_relaxed);
    if (!next) {
      if (array.overflows == array.overflow_limit)
        return false;
      auto i = static_cast<std::uint32_t>(++array.overflows);
      b->overflow.store(i, std::memory_order_release);
      next = array.after(*b, std::memory_order_relaxed);
    }
    b = next;
  }
}

memory_node* memory_table::insert(memory_node* x, std::uint64_t hashed) {
  if (auto at = find_place(x->key(), hashed); at.in) {
    auto* old = node_of(at.in->ids[at.slot].load(std::memory_order_relaxed));
    old->linked(false);
    x->linked(true);
    at.in->ids[at.slot].store(id_of(*x), std::memory_order_release);
    return old;
  }
  if (size_ >= max_load * bucket_count())
    grow();
  x->linked(true);
  while (!link(*array_.load(std::memory_order_relaxed), id_of(*x), hashed))
    grow();
  ++size_;
  return nullptr;
}

memory_node* memory_table::erase(std::string_view key,
                                 std::uint64_t hashed) noexcept {
  auto at = find_place(key, hashed);
  if (!at.in)
    return nullptr;
  auto* node = node_of(at.in->ids[at.slot].load(std::memory_order_relaxed));
  at.in->tag(at.slot, 0);
  at.in->ids[at.slot].store(0, std::memory_order_release);
  node->linked(false);
  --size_;
  return node;
}

void memory_table::erase(memory_node& x, std::uint64_t hashed) noexcept {
  auto at = find_place(x, hashed);
  at.in->tag(at.slot, 0);
  at.in->ids[at.slot].store(0, std::memory_order_release);
  x.linked(false);
  --size_;
}

void memory_table::replace(memory_node& old, memory_node& fresh) noexcept {
  auto at = find_place(old, hash(old.key()));
  old.linked(false);
  fresh.linked(true);
  at.in->ids[at.slot].store(id_of(fresh), std::memory_order_release);
}

void memory_table::grow() {
  auto* old = array_.load(std::memory_order_relaxed);
  auto n = 2 * (old->mask + 1);
  // Keys whose hashes collide cannot fill the overflow buckets of every array.
  for (std::unique_ptr<bucket_array> array;; n *= 2) {
    array = std::make_unique<bucket_array>(*arena_, n);
    auto complete = true;
    for (std::uint64_t i = 0; i <= old->mask; ++i)
      visit(i, [&](memory_node* x) {
        complete = complete && link(*array, id_of(*x), hash(x->key()));
      });
    if (!complete)
      continue;
    retired_.reserve(retired_.size() + 1);
    array_.store(array.release(), std::memory_order_release);
    retired_.push_back({domain_->now(), nullptr, old});
    return;
  }
}

void memory_table::retire(memory_node* x) {
  retired_.push_back({domain_->now(), x, nullptr});
  retired_bytes_ += x->footprint();
  if (retired_.size() >= reclaim_at_ || retired_bytes_ >= reclaim_at_bytes_)
    reclaim();
}

void memory_table::reclaim() {
  auto safe = domain_->advance();
  if (before_freeing_)
    before_freeing_();
  // Numbers only grow, so what can be freed is at the front.
  auto end = std::find_if(retired_.begin(), retired_.end(),
                          [=](auto& x) { return x.epoch >= safe; });
  for (auto x = retired_.begin(); x != end; ++x) {
    if (end - x > freed_ahead)
      __builtin_prefetch(x[freed_ahead].node, 1);
    if (x->node)
      retired_bytes_ -= x->node->footprint();
    dispose(*x);
  }
  retired_.erase(retired_.begin(), end);
  // A stalled reader must not make every further write walk the list.
  reclaim_at_ = std::max(least_retired, retired_.size() * 2);
  reclaim_at_bytes_ = std::max(least_retired_bytes, retired_bytes_ * 2);
  arena_->collect();
}

void memory_table::dispose(const garbage& x) noexcept {
  if (x.node)
    x.node->dispose(*arena_);
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
