/// The hash table of one L1 shard: one writer, any number of readers that take
/// no lock and send no message.
///
/// A bucket is one cache line: seven slots and a link to an overflow bucket. A
/// slot packs a pointer with 16 bits of the hash, so that a look-up follows a
/// pointer only if it very likely leads to its key: two lines of memory a hit,
/// the bucket and the node. Entries never move between slots, so a reader
/// cannot miss one that is there all the time. Growing copies the slots into an
/// array twice as large and then swaps one pointer; readers inside a guard
/// finish on the old one.
#pragma once

#include "tiers/epoch.hpp"
#include "tiers/memory_node.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace terrace {

class memory_table {
public:
  // -- constructors -----------------------------------------------------------

  /// Room for about `expected_entries` before the table grows.
  memory_table(std::shared_ptr<epoch_domain> domain,
               std::size_t expected_entries);

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

  // -- the writer -------------------------------------------------------------

  /// Puts `x` under its key and returns the node it replaces, or null. The
  /// caller retires that node.
  memory_node* insert(memory_node* x);

  /// Unlinks the node under `key` and returns it, or null.
  memory_node* erase(std::string_view key, std::uint64_t hash) noexcept;

  /// Frees `x` once no reader can see it.
  void retire(memory_node* x);

  /// Frees what no reader can see any more. Called by `retire` now and then.
  void reclaim();

  std::size_t size() const noexcept {
    return size_;
  }

  std::size_t bucket_count() const noexcept {
    return array_.load(std::memory_order_relaxed)->buckets.size();
  }

  /// Bytes of the bucket array.
  std::size_t array_bytes() const noexcept {
    return bucket_count() * sizeof(bucket);
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
         b = b->overflow.load(std::memory_order_relaxed))
      for (auto& slot : b->slots)
        if (auto word = slot.load(std::memory_order_relaxed))
          f(node_of(word));
    return next_cursor(cursor, array->mask);
  }

private:
  static constexpr std::size_t slots_per_bucket = 7;

  /// Nodes per bucket at which the table grows.
  static constexpr std::size_t max_load = 5;

  struct alignas(64) bucket {
    std::array<std::atomic<std::uint64_t>, slots_per_bucket> slots{};
    std::atomic<bucket*> overflow{nullptr};
  };

  struct bucket_array {
    explicit bucket_array(std::size_t n) : buckets(n), mask(n - 1) {
      // nop
    }

    ~bucket_array();

    std::vector<bucket> buckets;
    std::uint64_t mask;
  };

  struct garbage {
    std::uint64_t epoch;
    memory_node* node;
    bucket_array* array;
  };

  // Pointers have 48 significant bits on x86-64 and AArch64 user space.
  static constexpr unsigned tag_shift = 48;
  static constexpr std::uint64_t pointer_mask = (std::uint64_t{1} << tag_shift)
                                                - 1;

  static memory_node* node_of(std::uint64_t word) noexcept {
    return reinterpret_cast<memory_node*>(word & pointer_mask);
  }

  static std::uint64_t word_of(const memory_node* x) noexcept {
    return reinterpret_cast<std::uint64_t>(x)
           | (x->hash() >> tag_shift << tag_shift);
  }

  static bool tag_matches(std::uint64_t word, std::uint64_t hash) noexcept {
    return word != 0 && ((word ^ hash) >> tag_shift) == 0;
  }

  static std::uint64_t next_cursor(std::uint64_t cursor,
                                   std::uint64_t mask) noexcept;

  const bucket& bucket_of(std::uint64_t hash) const noexcept {
    auto* array = array_.load(std::memory_order_acquire);
    return array->buckets[hash & array->mask];
  }

  std::atomic<std::uint64_t>* find_slot(std::string_view key,
                                        std::uint64_t hash) noexcept;

  static void link(bucket_array& array, std::uint64_t word, std::uint64_t hash);

  void grow();

  static void dispose(const garbage& x) noexcept;

  std::shared_ptr<epoch_domain> domain_;
  std::atomic<bucket_array*> array_;
  std::size_t size_ = 0;
  std::vector<garbage> retired_;
  std::size_t reclaim_at_ = 512;
};

} // namespace terrace
