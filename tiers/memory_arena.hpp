/// The memory of one L1 shard, in one range of addresses: pages from below,
/// each cut into objects of one size, and spans from above, for a large object
/// each.
///
/// Why not malloc: an entry of a 20-byte key and a 100-byte value shall cost 64
/// bytes beyond them, the table included; entries are named by 32 bits instead
/// of 64; the bytes that a shard holds from the system are known exactly, and
/// when churn leaves pages half empty their objects can be moved together and
/// the pages given back. What a span held is given back at once.
///
/// An object's id is its distance from the start of the range in units of eight
/// bytes, so a shard ends at 32 GiB. Id 0 is never given out.
///
/// Threads: one writer, except `free_from_anywhere`. The arena outlives its
/// owner for as long as objects do: see `close`.
#pragma once

#include "tiers/policies/policy.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace terrace {

class memory_arena {
public:
  static constexpr std::size_t page_size = 64u << 10;

  /// Larger objects have a span of their own.
  static constexpr std::size_t max_object = 4096;

  /// Larger objects are not stored.
  static constexpr std::size_t max_span = 1u << 20;

  // -- constructors -----------------------------------------------------------

  /// Reserves addresses; memory comes with use. Throws `std::bad_alloc` when
  /// the system gives no addresses.
  static memory_arena* make();

  memory_arena(const memory_arena&) = delete;

  memory_arena& operator=(const memory_arena&) = delete;

  /// The owner is done. Memory goes when the last object does, which may be at
  /// once.
  void close() noexcept;

  // -- the writer -------------------------------------------------------------

  /// Memory for `size` bytes, at most `max_span`, 8-byte aligned, in no state
  /// in particular. Null when the range or the system's memory is used up.
  void* allocate(std::size_t size) noexcept;

  void free(void* x) noexcept;

  /// Takes back what other threads have freed.
  void collect() noexcept;

  /// Zeroed memory for `size` bytes in one piece, in whole pages that nothing
  /// else has had; null as above. Not among `page_bytes`.
  void* allocate_run(std::size_t size) noexcept;

  /// Its pages serve objects from now on.
  void free_run(void* x, std::size_t size) noexcept;

  /// Gives free pages back to the system beyond a small reserve.
  void trim() noexcept;

  /// Has the system put what it gave by 4 KiB together to a huge page of 2 MiB,
  /// of which the processor finds the place sooner. One at a time, as that
  /// takes up to a millisecond; only in the first few, as later ones come in
  /// one piece. What is not yet in use is left alone.
  void join_up() noexcept;

  /// Bytes that an object of `size` bytes takes.
  static std::size_t class_size(std::size_t size) noexcept {
    if (size <= fine_limit) [[likely]]
      return (size + fine_step - 1) / fine_step * fine_step;
    if (size > max_object)
      return unit * units_of(size);
    return class_sizes()[class_of(size)];
  }

  // -- moving objects together ------------------------------------------------

  /// A page that is worth emptying: the emptiest of those looked at. No new
  /// object goes there until it is empty or `keep` is called. Null if hardly
  /// anything can be gained.
  void* sparse_page() noexcept;

  /// Calls `f(void*)` for each place of an object in a page, used or not. A
  /// place that never was used, or is free, begins with four zero bytes.
  template <class F>
  void each_place(void* page, F&& f) const {
    auto size = class_sizes()[header_of(page).size_class];
    auto* at = static_cast<char*>(page) + sizeof(page_header);
    for (auto n = header_of(page).capacity; n > 0; --n, at += size)
      f(static_cast<void*>(at));
  }

  /// The page takes objects again.
  void keep(void* page) noexcept;

  // -- properties -------------------------------------------------------------

  char* base() const noexcept {
    return base_;
  }

  item_id id_of(const void* x) const noexcept {
    return static_cast<item_id>((static_cast<const char*>(x) - base_) >> 3);
  }

  /// Bytes of objects, each with its share of rounding.
  std::uint64_t object_bytes() const noexcept {
    return object_bytes_;
  }

  /// Bytes of pages and spans that hold objects.
  std::uint64_t page_bytes() const noexcept {
    return used_pages_ * page_size + used_units_ * unit;
  }

  // -- any thread -------------------------------------------------------------

  /// Frees an object of `size` bytes of whichever arena.
  static void free_from_anywhere(void* x, std::size_t size) noexcept;

private:
  struct page_header {
    memory_arena* arena;
    void* free; ///< list through the second word of free places
    page_header* prev;
    page_header* next;
    std::uint16_t size_class;
    std::uint16_t capacity;
    std::uint16_t live;
    std::uint16_t fresh; ///< places from here on were never used
    bool listed;         ///< among those with room
  };

  /// In front of an object in a span.
  struct span_header {
    memory_arena* arena;
    std::uint64_t units;
  };

  /// Spans are whole numbers of this many bytes.
  static constexpr std::size_t unit = 4096;

  static std::size_t units_of(std::size_t size) noexcept {
    return (size + sizeof(span_header) + unit - 1) / unit;
  }

  struct size_class {
    page_header* room = nullptr; ///< pages with a free place
    std::uint64_t pages = 0;
    std::uint64_t live = 0;
  };

  static constexpr std::size_t fine_step = 8;
  static constexpr std::size_t fine_limit = 512;
  static constexpr std::size_t class_limit = 96;

  memory_arena(char* base, std::size_t reserved) noexcept;

  ~memory_arena();

  static const std::array<std::uint32_t, class_limit>& class_sizes() noexcept;

  static std::size_t class_of(std::size_t size) noexcept;

  static page_header& header_of(const void* x) noexcept {
    auto at = reinterpret_cast<std::uintptr_t>(x) & ~(page_size - 1);
    return *reinterpret_cast<page_header*>(at);
  }

  void* allocate_span(std::size_t size) noexcept;

  void free_span(void* x) noexcept;

  void keep_free(std::size_t at, std::size_t units);

  page_header* new_page(std::size_t size_class) noexcept;

  /// Memory for so much more at the end of the pages; null when there is none.
  char* extend(std::size_t pages) noexcept;

  /// Whether the system is to have a huge page in one piece.
  bool whole(std::size_t huge) const noexcept;

  static std::size_t pages_for(std::size_t size) noexcept {
    return (size + page_size - 1) / page_size;
  }

  void give_back(std::uint32_t page) noexcept;

  std::uint32_t take_cold() noexcept;

  void release(page_header& x) noexcept;

  void list(page_header& x) noexcept;

  void unlist(page_header& x) noexcept;

  char* base_;
  std::size_t reserved_;
  std::size_t end_ = 0;                  ///< bytes of pages ever used
  std::vector<std::uint32_t> free_warm_; ///< free pages, in memory
  std::vector<std::uint32_t> free_cold_; ///< given back to the system
  std::vector<std::uint8_t> cold_in_;    ///< of each huge page
  std::size_t joined_ = 0;               ///< huge pages put together
  std::array<size_class, class_limit> classes_;
  std::size_t used_pages_ = 0;
  std::size_t spans_begin_; ///< where the lowest span begins
  std::map<std::size_t, std::size_t> free_spans_; ///< units by where they begin
  std::set<std::pair<std::size_t, std::size_t>> free_by_size_; ///< units, where
  std::size_t used_units_ = 0;
  std::uint64_t object_bytes_ = 0;
  std::int64_t balance_ = 0; ///< allocations less the writer's frees
  std::atomic<void*> returned_{nullptr}; ///< freed by others
  /// Until `close`: less one for each return, so never zero. After: objects
  /// left.
  std::atomic<std::int64_t> left_{0};
};

} // namespace terrace
