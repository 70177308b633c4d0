/// The hash table of one L1 shard and the memory of its entries: one writer,
/// any number of readers that take no lock and send no message.
///
/// A bucket is one cache line: twelve 32-bit ids of nodes, a byte of each one's
/// hash, and a link to an overflow bucket. The bytes are compared all at once,
/// so that a look-up follows an id only if it very likely leads to its key: two
/// places of memory a hit, the bucket and the node. Entries never move between
/// slots, so a reader cannot miss one that is there all the time. Growing
/// copies the ids into an array twice as large and then swaps one pointer;
/// readers inside a guard finish on the old one.
#pragma once

#include "tiers/epoch.hpp"
#include "tiers/key_hash.hpp"
#include "tiers/memory_node.hpp"
#include "tiers/sample_rank.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace terrace {

class alignas(64) memory_table {
public:
  // -- constructors -----------------------------------------------------------

  /// Room for about `expected_entries` before the table grows. Throws
  /// `std::bad_alloc`.
  memory_table(std::shared_ptr<epoch_domain> domain,
               std::size_t expected_entries, std::uint64_t seed);

  memory_table(const memory_table&) = delete;

  memory_table& operator=(const memory_table&) = delete;

  /// No reader may be inside a guard; readers share ownership to ensure it.
  ~memory_table();

  // -- readers: any thread, inside a guard ------------------------------------

  /// The node under `key`, expired or not, or null. Valid inside the guard.
  const memory_node* find(std::string_view key,
                          std::uint64_t hash) const noexcept;

  /// Asks the processor for the bucket of `hash`.
  void prefetch_bucket(std::uint64_t hash) const noexcept {
    __builtin_prefetch(&bucket_of(hash));
  }

  /// Asks for the node that `find` will look at, if there is one. To be called
  /// some time after `prefetch_bucket`.
  void prefetch_node(std::uint64_t hash) const noexcept;

  /// Whether the writer wants to be told of accesses of this key.
  bool reports(std::uint64_t hash) const noexcept {
    return sample_rank(hash) <= reported_.load(std::memory_order_relaxed);
  }

  // -- the writer -------------------------------------------------------------

  /// Puts `x` under its key, whose hash is given, and returns the node it
  /// replaces, or null. The caller retires that node.
  memory_node* insert(memory_node* x, std::uint64_t hash);

  /// Unlinks the node under `key` and returns it, or null.
  memory_node* erase(std::string_view key, std::uint64_t hash) noexcept;

  /// Unlinks a node that is in the table.
  void erase(memory_node& x, std::uint64_t hash) noexcept;

  /// Puts `fresh`, with the same key, where `old` is.
  void replace(memory_node& old, memory_node& fresh) noexcept;

  /// Frees `x` once no reader can see it.
  void retire(memory_node* x);

  /// Frees what no reader can see any more. Called by `retire` now and then.
  void reclaim();

  /// Has accesses of keys told up to this `sample_rank`.
  void report_up_to(std::uint64_t rank) noexcept {
    if (reported_.load(std::memory_order_relaxed) != rank)
      reported_.store(rank, std::memory_order_relaxed);
  }

  /// Sets what has to be done before anything is freed.
  void before_freeing(std::function<void()> f) {
    before_freeing_ = std::move(f);
  }

  memory_arena& arena() const noexcept {
    return *arena_;
  }

  std::uint64_t hash(std::string_view key) const noexcept {
    return key_hash(key, seed_);
  }

  memory_node& node(item_id x) const noexcept {
    return *node_of(x);
  }

  item_id id_of(const memory_node& x) const noexcept {
    return arena_->id_of(&x);
  }

  std::size_t size() const noexcept {
    return size_;
  }

  std::size_t bucket_count() const noexcept {
    return array_.load(std::memory_order_relaxed)->mask + 1;
  }

  /// Bytes of the buckets.
  std::size_t array_bytes() const noexcept {
    auto* array = array_.load(std::memory_order_relaxed);
    return (array->mask + 1 + array->overflows) * sizeof(bucket);
  }

  /// Nodes that wait for readers to let go.
  std::size_t retired() const noexcept {
    return retired_.size();
  }

  /// Calls `f(memory_node*)` for the nodes of one bucket and returns the cursor
  /// of the next one; zero after the last. Every node that stays in the table
  /// during a whole round is visited, even if the table grows meanwhile:
  /// cursors count with their bits reversed (P. Noordhuis' scheme of Redis'
  /// SCAN).
  template <class F>
  std::uint64_t visit(std::uint64_t cursor, F&& f) const {
    auto* array = array_.load(std::memory_order_relaxed);
    for (auto* b = &array->buckets[cursor & array->mask]; b;
         b = array->after(*b, std::memory_order_relaxed))
      for (auto& slot : b->ids)
        if (auto id = slot.load(std::memory_order_relaxed))
          f(node_of(id));
    return next_cursor(cursor, array->mask);
  }

private:
  static constexpr std::size_t slots_per_bucket = 12;

  /// Nodes per bucket at which the table grows.
  static constexpr std::size_t max_load = 9;

  /// A tag of zero is an empty slot. Of a slot that is filled the id is written
  /// first, of one that is emptied the tag.
  struct alignas(64) bucket {
    std::atomic<std::uint64_t> tags;  ///< of the first eight slots
    std::atomic<std::uint32_t> tags2; ///< of the others
    std::array<std::atomic<item_id>, slots_per_bucket> ids;
    std::atomic<std::uint32_t> overflow; ///< which overflow bucket, from 1 on

    void tag(std::size_t slot, std::uint8_t x) noexcept;
  };

  static_assert(sizeof(bucket) == 64);

  /// Buckets and overflow buckets, in memory of the arena.
  struct bucket_array {
    bucket_array(memory_arena& from, std::size_t n);

    bucket_array(const bucket_array&) = delete;

    ~bucket_array();

    std::size_t bytes() const noexcept {
      return (mask + 1 + overflow_limit) * sizeof(bucket);
    }

    bucket* after(const bucket& x, std::memory_order order) const noexcept {
      auto i = x.overflow.load(order);
      return i == 0 ? nullptr : &buckets[mask + i];
    }

    memory_arena& arena;
    std::uint64_t mask;
    std::size_t overflow_limit;
    std::size_t overflows = 0; ///< the writer's
    bucket* buckets;
  };

  /// So much waits before it is worth looking whether readers have let go.
  static constexpr std::size_t least_retired = 512;
  static constexpr std::size_t least_retired_bytes = 1u << 20;

  struct garbage {
    std::uint64_t epoch;
    memory_node* node;
    bucket_array* array;
  };

  struct place {
    bucket* in = nullptr;
    std::size_t slot = 0;
  };

  memory_node* node_of(item_id x) const noexcept {
    return reinterpret_cast<memory_node*>(base_ + (std::size_t{x} << 3));
  }

  static std::uint8_t tag_of(std::uint64_t hash) noexcept {
    auto x = static_cast<std::uint8_t>(hash >> 56);
    return x == 0 ? 1 : x;
  }

  /// Calls `f(slot)` for the slots of a bucket with a tag, until it returns
  /// true. Now and then for another slot as well.
  template <class F>
  static bool match(const bucket& x, std::uint8_t tag, F&& f) noexcept;

  static std::uint64_t next_cursor(std::uint64_t cursor,
                                   std::uint64_t mask) noexcept;

  const bucket& bucket_of(std::uint64_t hash) const noexcept {
    auto* array = array_.load(std::memory_order_acquire);
    return array->buckets[hash & array->mask];
  }

  place find_place(std::string_view key, std::uint64_t hash) const noexcept;

  place find_place(const memory_node& x, std::uint64_t hash) const noexcept;

  static bool link(bucket_array& array, item_id id,
                   std::uint64_t hash) noexcept;

  void grow();

  void dispose(const garbage& x) noexcept;

  // What readers look at, apart from what the writer writes.
  char* base_; ///< of the arena
  std::atomic<bucket_array*> array_;
  std::atomic<std::uint64_t> reported_{0};
  std::uint64_t seed_;
  memory_arena* arena_;
  std::shared_ptr<epoch_domain> domain_;
  alignas(64) std::size_t size_ = 0;
  std::function<void()> before_freeing_;
  std::vector<garbage> retired_;
  std::size_t retired_bytes_ = 0;
  std::size_t reclaim_at_ = least_retired;
  std::size_t reclaim_at_bytes_ = least_retired_bytes;
};

} // namespace terrace
