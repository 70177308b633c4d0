#include "tiers/memory_arena.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>

namespace terrace {

namespace {

constexpr std::size_t most_reserved = std::size_t{32} << 30;
constexpr std::size_t least_reserved = std::size_t{64} << 20;

/// Free pages kept in memory, at least and as a share of those in use.
constexpr std::size_t least_warm = 16;
constexpr std::size_t warm_share = 64;

/// Pages of a class looked at to find a sparse one.
constexpr int pages_looked_at = 32;

/// What the system calls a huge page.
constexpr std::size_t huge_page = 2u << 20;
constexpr auto pages_per_huge = huge_page / memory_arena::page_size;

/// From this one on, huge pages are had in one piece: what is not yet used of
/// the last is little beside the others.
constexpr std::size_t first_whole = 16;

/// Linux 6.1.
constexpr int advice_collapse = 25;

/// Addresses without memory, aligned to a huge page.
char* reserve(std::size_t size) noexcept {
  auto wanted = size + huge_page;
  auto* x = ::mmap(nullptr, wanted, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (x == MAP_FAILED)
    return nullptr;
  auto begin = reinterpret_cast<std::uintptr_t>(x);
  auto mask = huge_page - 1;
  auto aligned = (begin + mask) & ~mask;
  if (aligned > begin)
    ::munmap(x, aligned - begin);
  auto tail = begin + wanted - (aligned + size);
  if (tail > 0)
    ::munmap(reinterpret_cast<void*>(aligned + size), tail);
  return reinterpret_cast<char*>(aligned);
}

/// Free places: zero in the first four bytes, where an object has its count of
/// references, and a link in the second word.
void*& link_of(void* x) noexcept {
  return static_cast<void**>(x)[1];
}

} // namespace

// -- size classes -------------------------------------------------------------

/// Steps of 8 bytes up to 512, then of about an eighth, such that a page holds
/// a whole number of objects with little left over.
const std::array<std::uint32_t, memory_arena::class_limit>&
memory_arena::class_sizes() noexcept {
  static const auto result = [] {
    std::array<std::uint32_t, class_limit> xs{};
    std::size_t n = 0;
    for (std::size_t size = fine_step; size <= fine_limit; size += fine_step)
      xs[n++] = static_cast<std::uint32_t>(size);
    constexpr auto room = page_size - sizeof(page_header);
    while (xs[n - 1] < max_object) {
      auto per_page = room / (xs[n - 1] + xs[n - 1] / 8);
      auto size = std::max<std::size_t>(room / per_page / 8 * 8, xs[n - 1] + 8);
      xs[n++] = static_cast<std::uint32_t>(size);
    }
    while (n < class_limit)
      xs[n++] = ~std::uint32_t{0};
    return xs;
  }();
  return result;
}

std::size_t memory_arena::class_of(std::size_t size) noexcept {
  if (size <= fine_limit)
    return size == 0 ? 0 : (size - 1) / fine_step;
  auto& xs = class_sizes();
  return static_cast<std::size_t>(
    std::lower_bound(xs.begin() + fine_limit / fine_step, xs.end(), size)
    - xs.begin());
}

// -- constructors -------------------------------------------------------------

memory_arena* memory_arena::make() {
  for (auto size = most_reserved; size >= least_reserved; size /= 2)
    if (auto* base = reserve(size))
      return new memory_arena(base, size);
  throw std::bad_alloc{};
}

memory_arena::memory_arena(char* base, std::size_t reserved) noexcept
  : base_(base), reserved_(reserved), spans_begin_(reserved) {
  // Spans come and go in small pieces.
  auto whole_from = first_whole * huge_page;
  auto whole_to = std::max(reserved / 2, whole_from);
  ::madvise(base_, reserved_, MADV_NOHUGEPAGE);
  if (whole_to > whole_from)
    ::madvise(base_ + whole_from, whole_to - whole_from, MADV_HUGEPAGE);
}

memory_arena::~memory_arena() {
  ::munmap(base_, reserved_);
}

void memory_arena::close() noexcept {
  // What is still there has been freed by others or will be. Whoever brings
  // the count to zero deletes, and nobody looks at the arena after counting.
  if (left_.fetch_add(balance_) + balance_ == 0)
    delete this;
}

// -- the writer ---------------------------------------------------------------

void* memory_arena::allocate(std::size_t size) noexcept {
  if (size > max_object)
    return allocate_span(size);
  auto index = class_of(size);
  auto& in = classes_[index];
  auto* page = in.room ? in.room : new_page(index);
  if (!page)
    return nullptr;
  void* result = page->free;
  if (result) {
    page->free = link_of(result);
    __builtin_prefetch(page->free, 1);
  } else {
    result = reinterpret_cast<char*>(page + 1)
             + std::size_t{page->fresh} * class_sizes()[index];
    ++page->fresh;
  }
  if (++page->live == page->capacity)
    unlist(*page);
  ++in.live;
  ++balance_;
  object_bytes_ += class_sizes()[index];
  return result;
}

void memory_arena::free(void* x) noexcept {
  --balance_;
  if (static_cast<char*>(x) >= base_ + spans_begin_)
    return free_span(x);
  auto& page = header_of(x);
  auto& in = classes_[page.size_class];
  std::memset(x, 0, sizeof(std::uint32_t));
  link_of(x) = page.free;
  page.free = x;
  --in.live;
  object_bytes_ -= class_sizes()[page.size_class];
  if (page.live-- == page.capacity)
    list(page);
  if (page.live == 0)
    release(page);
}

void memory_arena::collect() noexcept {
  auto* x = returned_.exchange(nullptr, std::memory_order_acquire);
  while (x) {
    auto* next = link_of(x);
    ++balance_; // it is counted in `left_`
    free(x);
    x = next;
  }
}

void* memory_arena::allocate_run(std::size_t size) noexcept {
  return extend(pages_for(size));
}

void memory_arena::free_run(void* x, std::size_t size) noexcept {
  auto first = (static_cast<char*>(x) - base_) / page_size;
  for (auto n = pages_for(size); n > 0; --n)
    free_warm_.push_back(static_cast<std::uint32_t>(first + n - 1));
}

void memory_arena::trim() noexcept {
  auto keep = std::max(least_warm, used_pages_ / warm_share);
  while (free_warm_.size() > keep) {
    give_back(free_warm_.back());
    free_warm_.pop_back();
  }
}

bool memory_arena::whole(std::size_t huge) const noexcept {
  return huge < joined_
         || (huge >= first_whole && huge < reserved_ / 2 / huge_page);
}

void memory_arena::join_up() noexcept {
  if (joined_ == first_whole || end_ < (joined_ + 1) * huge_page)
    return;
  auto i = joined_++;
  if (cold_in_[i] != 0)
    return; // its time is when the last of them is taken
  ::madvise(base_ + i * huge_page, huge_page, MADV_HUGEPAGE);
  // Where the system cannot do it at once, it will when it has time.
  ::madvise(base_ + i * huge_page, huge_page, advice_collapse);
}

/// A huge page of which a part is missing is made whole by the system when it
/// has time: that would undo what we do, so it is told to leave it alone.
void memory_arena::give_back(std::uint32_t page) noexcept {
  auto i = page / pages_per_huge;
  if (cold_in_[i]++ == 0 && whole(i))
    ::madvise(base_ + i * huge_page, huge_page, MADV_NOHUGEPAGE);
  ::madvise(base_ + page * page_size, page_size, MADV_DONTNEED);
  free_cold_.push_back(page);
}

std::uint32_t memory_arena::take_cold() noexcept {
  auto page = free_cold_.back();
  free_cold_.pop_back();
  auto i = page / pages_per_huge;
  if (--cold_in_[i] == 0 && whole(i))
    ::madvise(base_ + i * huge_page, huge_page, MADV_HUGEPAGE);
  return page;
}

/// Lists of free pages never grow past the number of pages: no allocation is
/// needed where none may fail.
char* memory_arena::extend(std::size_t pages) noexcept {
  if (end_ + pages * page_size > spans_begin_)
    return nullptr;
  auto n = end_ / page_size + pages;
  if (free_warm_.capacity() < n) {
    try {
      free_warm_.reserve(2 * n);
      free_cold_.reserve(2 * n);
      cold_in_.resize(2 * n / pages_per_huge + 1);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  auto* result = base_ + end_;
  end_ += pages * page_size;
  return result;
}

memory_arena::page_header* memory_arena::new_page(std::size_t index) noexcept {
  char* memory = nullptr;
  auto fresh = true;
  if (!free_warm_.empty()) {
    memory = base_ + free_warm_.back() * page_size;
    free_warm_.pop_back();
    fresh = false;
  } else if (!free_cold_.empty()) {
    memory = base_ + take_cold() * page_size;
  } else if (memory = extend(1); !memory) {
    return nullptr;
  }
  auto* page = reinterpret_cast<page_header*>(memory);
  auto size = class_sizes()[index];
  if (!fresh) {
    // What looks like an object may be left of another class.
    auto* begin = reinterpret_cast<char*>(page + 1);
    for (auto n = (page_size - sizeof(page_header)) / size; n > 0; --n)
      std::memset(begin + (n - 1) * size, 0, sizeof(std::uint32_t));
  }
  *page = {};
  page->arena = this;
  page->size_class = static_cast<std::uint16_t>(index);
  page->capacity
    = static_cast<std::uint16_t>((page_size - sizeof(page_header)) / size);
  ++used_pages_;
  ++classes_[index].pages;
  list(*page);
  return page;
}

/// The page is empty.
void memory_arena::release(page_header& x) noexcept {
  if (x.listed)
    unlist(x);
  --classes_[x.size_class].pages;
  --used_pages_;
  auto at = reinterpret_cast<char*>(&x) - base_;
  free_warm_.push_back(static_cast<std::uint32_t>(at / page_size));
}

void memory_arena::list(page_header& x) noexcept {
  auto& first = classes_[x.size_class].room;
  x.prev = nullptr;
  x.next = first;
  if (first)
    first->prev = &x;
  first = &x;
  x.listed = true;
}

void memory_arena::unlist(page_header& x) noexcept {
  (x.prev ? x.prev->next : classes_[x.size_class].room) = x.next;
  if (x.next)
    x.next->prev = x.prev;
  x.listed = false;
}

// -- spans --------------------------------------------------------------------

void* memory_arena::allocate_span(std::size_t size) noexcept {
  auto units = units_of(size);
  std::size_t at = 0;
  try {
    // The smallest that fits, and of those the lowest.
    auto best = free_by_size_.lower_bound({units, 0});
    if (best != free_by_size_.end()) {
      auto [found, where] = *best;
      at = where;
      free_by_size_.erase(best);
      free_spans_.erase(where);
      if (found > units)
        keep_free(where + units * unit, found - units);
    } else if (end_ + units * unit <= spans_begin_) {
      spans_begin_ -= units * unit;
      at = spans_begin_;
    } else {
      return nullptr;
    }
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  auto* header = reinterpret_cast<span_header*>(base_ + at);
  *header = {this, units};
  used_units_ += units;
  object_bytes_ += units * unit;
  ++balance_;
  return header + 1;
}

void memory_arena::free_span(void* x) noexcept {
  auto* header = static_cast<span_header*>(x) - 1;
  auto units = static_cast<std::size_t>(header->units);
  auto at = static_cast<std::size_t>(reinterpret_cast<char*>(header) - base_);
  used_units_ -= units;
  object_bytes_ -= units * unit;
  ::madvise(header, units * unit, MADV_DONTNEED);
  try {
    keep_free(at, units);
  } catch (const std::bad_alloc&) {
    // Addresses are lost, no memory.
  }
}

/// Joins a free span with those beside it.
void memory_arena::keep_free(std::size_t at, std::size_t units) {
  auto next = free_spans_.lower_bound(at);
  if (next != free_spans_.end() && next->first == at + units * unit) {
    units += next->second;
    free_by_size_.erase({next->second, next->first});
    next = free_spans_.erase(next);
  }
  if (next != free_spans_.begin()) {
    auto before = std::prev(next);
    if (before->first + before->second * unit == at) {
      at = before->first;
      units += before->second;
      free_by_size_.erase({before->second, before->first});
      free_spans_.erase(before);
    }
  }
  free_spans_.emplace(at, units);
  free_by_size_.emplace(units, at);
}

// -- moving objects together --------------------------------------------------

void* memory_arena::sparse_page() noexcept {
  size_class* worst = nullptr;
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < class_limit; ++i) {
    auto& x = classes_[i];
    if (x.pages < 2 || !x.room)
      continue;
    // The others have room for what is in one.
    auto per_page = (page_size - sizeof(page_header)) / class_sizes()[i];
    auto unused = x.pages * per_page - x.live;
    auto wasted = unused * class_sizes()[i];
    if (unused >= per_page && wasted > most) {
      most = wasted;
      worst = &x;
    }
  }
  if (!worst)
    return nullptr;
  page_header* result = nullptr;
  auto n = pages_looked_at;
  for (auto* x = worst->room; x && n > 0; x = x->next, --n)
    if (!result || x->live < result->live)
      result = x;
  unlist(*result);
  return result;
}

void memory_arena::keep(void* page) noexcept {
  auto& x = header_of(page);
  if (!x.listed && x.live < x.capacity)
    list(x);
}

// -- any thread ---------------------------------------------------------------

void memory_arena::free_from_anywhere(void* x, std::size_t size) noexcept {
  auto* arena = size > max_object ? (static_cast<span_header*>(x) - 1)->arena
                                  : header_of(x).arena;
  auto* first = arena->returned_.load(std::memory_order_relaxed);
  do {
    link_of(x) = first;
  } while (!arena->returned_.compare_exchange_weak(
    first, x, std::memory_order_release, std::memory_order_relaxed));
  if (arena->left_.fetch_sub(1) == 1)
    delete arena;
}

} // namespace terrace
