/// Looks at the pages of LMDB before LMDB relies on them.
///
/// LMDB 0.9 believes what a page says about itself: the offsets and sizes in
/// it, and the numbers of other pages. To a reader a damaged page does no harm
/// that lmdb_guard.hpp does not catch. A writer copies the page to the heap and
/// moves bytes there by these sizes, which ruins the heap of the process. So
/// each page that a writer is going to change is looked at when a cursor first
/// stands on the way to it: kind, number, that all rows are inside and none
/// lies on another, that pages named are in the file. Once is enough: LMDB
/// writes no page that is not sound, and a bit tells which have been seen.
///
/// The way of a cursor is read from LMDB's own structure, which is the same in
/// all versions 0.9; `begin_checking` finds out. Where it is another one, pages
/// are not looked at.
///
/// Source: mdb.c 0.9.24 (MDB_page, MDB_node, MDB_cursor, mdb_rebalance).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

struct MDB_cursor;
struct MDB_txn;

namespace terrace {

/// Bytes of a page of LMDB on the machines that Terrace runs on.
inline constexpr std::uint64_t lmdb_page_size = 4096;

/// Which pages of a map have been seen. Thread-safe. Functions throw
/// `lmdb_fault` with `corrupt`.
class lmdb_pages {
public:
  /// Another page that LMDB may join with one on a cursor's way.
  struct neighbour {
    std::uint64_t number;
    std::string_view key; ///< where it begins or, if it is `before`, ends
    bool before;
  };

  /// Of the map of `size` bytes at `begin`; of no map if both are zero.
  lmdb_pages(std::uintptr_t begin, std::size_t size);

  /// Whether `at` is in the map.
  bool maps(const void* at) const noexcept {
    return reinterpret_cast<std::uintptr_t>(at) - begin_ < size_;
  }

  /// Throws unless all of `bytes` are in the map, or none.
  void check(std::string_view bytes) const;

  /// From now on pages are looked at, if the structure of cursors is the known
  /// one. `cursor` stands on a row of `table`, and nothing has been changed.
  bool begin_checking(const MDB_cursor* cursor, const MDB_txn* txn,
                      unsigned table) noexcept;

  /// Looks at all pages from the root to the row that the cursor stands on.
  void check_way(const MDB_cursor* cursor);

  /// Whether the value of the row that the cursor stands on has pages of its
  /// own.
  bool is_large(const MDB_cursor* cursor) const noexcept;

  /// Whether the head of such pages is sound. `value`: as LMDB gave it out.
  bool is_sound_large(std::string_view value) const noexcept;

  /// The page that LMDB may join with the one at height `level` (0: the row's
  /// own) of the cursor's way when the row is deleted; none if that is not
  /// about to happen.
  std::optional<neighbour> neighbour_of(const MDB_cursor* cursor,
                                        unsigned level) const noexcept;

  /// The page needs not be looked at any more.
  void mark(std::uint64_t number) noexcept;

  bool seen(std::uint64_t number) const noexcept {
    return number < count_
           && (seen_[number / 64].load(std::memory_order_relaxed) >> number % 64
               & 1)
                != 0;
  }

private:
  using word = std::atomic<std::uint64_t>;

  bool sound(const char* page, std::uint64_t number) const noexcept;

  std::uintptr_t begin_;
  std::size_t size_;
  std::uint64_t count_; ///< of pages
  std::unique_ptr<word[]> seen_;
  bool checking_ = false;
};

} // namespace terrace
