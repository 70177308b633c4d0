#include "tiers/lmdb_page.hpp"

#include "tiers/lmdb_txn.hpp"

#include <lmdb.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace terrace {

namespace {

// Places in a page, and what can stand there.
constexpr std::size_t number_at = 0; ///< u64
constexpr std::size_t flags_at = 10; ///< u16
constexpr std::size_t lower_at = 12; ///< u16, end of the list of rows
constexpr std::size_t upper_at = 14; ///< u16, beginning of the first row
constexpr std::size_t pages_at = 12; ///< u32, of pages with one value
constexpr std::size_t head_size = 16;
constexpr unsigned branch = 1;
constexpr unsigned leaf = 2;
constexpr unsigned overflow = 4;
constexpr unsigned changed = 16; ///< by this transaction, in the heap

// Places in a row.
constexpr std::size_t row_flags_at = 4; ///< u16
constexpr std::size_t key_size_at = 6;  ///< u16
constexpr std::size_t row_head = 8;
constexpr unsigned large = 1;        ///< the value is the number of its page
constexpr unsigned largest_flag = 2; ///< a table; more are of other features

/// Fewer bytes than that in a leaf: it is joined with a neighbour.
constexpr std::size_t joined_below = (lmdb_page_size - head_size) / 4 + 1;

/// Pages that a value may have too many, since it shrank in the transaction
/// that wrote it.
constexpr std::uint64_t most_spare_pages = 16;

/// The beginning of LMDB's MDB_cursor.
struct cursor_layout {
  void* links[3];
  const MDB_txn* txn;
  unsigned table;
  void* of_table[3];
  std::uint16_t count; ///< pages on the way
  std::uint16_t top;
  unsigned flags;
  const char* pages[32];
  std::uint16_t rows[32]; ///< place in each of them
};

constexpr unsigned standing = 1; ///< in `flags`

const cursor_layout& layout_of(const MDB_cursor* x) noexcept {
  return *reinterpret_cast<const cursor_layout*>(x);
}

template <class T>
T load(const char* page, std::size_t at) noexcept {
  T result;
  std::memcpy(&result, page + at, sizeof(T));
  return result;
}

unsigned load16(const char* page, std::size_t at) noexcept {
  return load<std::uint16_t>(page, at);
}

std::size_t rows_in(const char* page) noexcept {
  return (load16(page, lower_at) - head_size) / 2;
}

const char* row_of(const char* page, std::size_t i) noexcept {
  return page + load16(page, head_size + 2 * i);
}

/// Bytes of the value in a leaf.
std::uint64_t value_size(const char* row) noexcept {
  return load16(row, 0) | std::uint64_t{load16(row, 2)} << 16;
}

/// The page that a row of a branch leads to.
std::uint64_t child_of(const char* row) noexcept {
  return value_size(row) | std::uint64_t{load16(row, row_flags_at)} << 32;
}

std::uint64_t pages_for(std::uint64_t size) noexcept {
  return (head_size - 1 + size) / lmdb_page_size + 1;
}

/// What a row takes, in a leaf or else in a branch.
std::uint64_t size_of(const char* row, bool in_leaf) noexcept {
  auto size = row_head + load16(row, key_size_at);
  if (in_leaf)
    size += (load16(row, row_flags_at) & large) != 0 ? 8 : value_size(row);
  return (size + 1) & ~std::uint64_t{1};
}

/// Marks bytes of a page as taken, two by two.
class places {
public:
  /// False: some are taken.
  bool take(std::size_t from, std::size_t n) noexcept {
    for (auto i = from / 2; i < (from + n) / 2; ++i) {
      auto bit = std::uint64_t{1} << i % 64;
      if ((bits_[i / 64] & bit) != 0)
        return false;
      bits_[i / 64] |= bit;
    }
    return true;
  }

private:
  std::array<std::uint64_t, lmdb_page_size / 128> bits_{};
};

[[noreturn]] void damaged(std::uint64_t number) {
  throw lmdb_fault{
    {errc::corrupt, "page " + std::to_string(number) + " is damaged"}};
}

} // namespace

lmdb_pages::lmdb_pages(std::uintptr_t begin, std::size_t size)
  : begin_(begin),
    size_(size),
    count_(size / lmdb_page_size),
    seen_(std::make_unique<word[]>(count_ / 64 + 1)) {
  // nop
}

void lmdb_pages::check(std::string_view bytes) const {
  auto at = reinterpret_cast<std::uintptr_t>(bytes.data()) - begin_;
  if (at < size_ && bytes.size() > size_ - at)
    throw lmdb_fault{{errc::corrupt, "a row reaches past the file"}};
}

bool lmdb_pages::begin_checking(const MDB_cursor* cursor, const MDB_txn* txn,
                                unsigned table) noexcept {
  int major = 0;
  int minor = 0;
  mdb_version(&major, &minor, nullptr);
  if (major != 0 || minor != 9)
    return false;
  auto& x = layout_of(cursor);
  if (x.txn != txn || x.table != table || (x.flags & standing) == 0
      || x.count == 0 || x.count > 32 || x.top + 1 != x.count)
    return false;
  auto is_page = [this](auto* page) {
    return maps(page)
           && (reinterpret_cast<std::uintptr_t>(page) - begin_) % lmdb_page_size
                == 0;
  };
  checking_ = std::all_of(x.pages, x.pages + x.count, is_page);
  return checking_;
}

void lmdb_pages::check_way(const MDB_cursor* cursor) {
  auto& x = layout_of(cursor);
  if (!checking_ || (x.flags & standing) == 0)
    return;
  for (std::size_t i = 0; i < x.count; ++i) {
    auto* page = x.pages[i];
    auto kind = i == x.top ? leaf : branch;
    if (!maps(page)) {
      // A copy, made by this transaction from one that was seen, unless damage
      // has led LMDB to something else that it made.
      if (load16(page, flags_at) != (kind | changed))
        damaged(load<std::uint64_t>(page, number_at));
      continue;
    }
    auto number = (reinterpret_cast<std::uintptr_t>(page) - begin_)
                  / lmdb_page_size;
    if (load16(page, flags_at) != kind
        || (!seen(number) && !sound(page, number)))
      damaged(number);
    mark(number);
  }
}

bool lmdb_pages::sound(const char* page, std::uint64_t number) const noexcept {
  auto kind = load16(page, flags_at);
  auto lower = load16(page, lower_at);
  auto upper = load16(page, upper_at);
  if (load<std::uint64_t>(page, number_at) != number
      || (kind != branch && kind != leaf) || lower <= head_size
      || lower % 2 != 0 || upper % 2 != 0 || lower > upper
      || upper > lmdb_page_size)
    return false;
  auto exists = [this](std::uint64_t first, std::uint64_t n) {
    return first >= 2 && first < count_ && n <= count_ - first;
  };
  places taken;
  for (std::size_t i = 0; i < rows_in(page); ++i) {
    auto at = load16(page, head_size + 2 * i);
    if (at % 2 != 0 || at < upper || at + row_head > lmdb_page_size)
      return false;
    auto* row = page + at;
    auto size = size_of(row, kind == leaf);
    if (size > lmdb_page_size - at || !taken.take(at, size))
      return false;
    auto key_size = load16(row, key_size_at);
    if (kind == branch) {
      if (!exists(child_of(row), 1) || (i > 0 && key_size == 0))
        return false;
      continue;
    }
    auto flags = load16(row, row_flags_at);
    if (flags > largest_flag || key_size == 0)
      return false;
    if (flags == large
        && !exists(load<std::uint64_t>(row, row_head + key_size),
                   pages_for(value_size(row))))
      return false;
  }
  return true;
}

bool lmdb_pages::is_large(const MDB_cursor* cursor) const noexcept {
  auto& x = layout_of(cursor);
  if (!checking_ || (x.flags & standing) == 0 || x.count == 0)
    return false;
  auto* page = x.pages[x.top];
  auto i = x.rows[x.top];
  return i < rows_in(page)
         && (load16(row_of(page, i), row_flags_at) & large) != 0;
}

bool lmdb_pages::is_sound_large(std::string_view value) const noexcept {
  if (!maps(value.data()))
    return true; // of this transaction
  auto* page = value.data() - head_size;
  auto number = (reinterpret_cast<std::uintptr_t>(page) - begin_)
                / lmdb_page_size;
  std::uint64_t n = load<std::uint32_t>(page, pages_at);
  auto needed = pages_for(value.size());
  return load<std::uint64_t>(page, number_at) == number
         && load16(page, flags_at) == overflow && n >= needed
         && n <= needed + most_spare_pages && n <= count_ - number;
}

std::optional<lmdb_pages::neighbour>
lmdb_pages::neighbour_of(const MDB_cursor* cursor,
                         unsigned level) const noexcept {
  auto& x = layout_of(cursor);
  if (!checking_ || (x.flags & standing) == 0 || level + 1 >= x.count)
    return {};
  auto at = x.top - level;
  auto* page = x.pages[at];
  auto i = x.rows[at];
  auto n = rows_in(page);
  if (i >= n)
    return {};
  auto used = lmdb_page_size - head_size
              - (load16(page, upper_at) - load16(page, lower_at));
  auto joined
    = level > 0
        ? n <= 2
        : n == 1 || used < joined_below + 2 + size_of(row_of(page, i), true);
  auto* parent = x.pages[at - 1];
  if (!joined || rows_in(parent) < 2)
    return {};
  // LMDB takes the page before, or the one after the first.
  auto own = x.rows[at - 1];
  auto before = own > 0;
  auto number = child_of(row_of(parent, before ? own - 1 : 1));
  auto* row = row_of(parent, before ? own : 1);
  return neighbour{number, {row + row_head, load16(row, key_size_at)}, before};
}

void lmdb_pages::mark(std::uint64_t number) noexcept {
  if (number < count_ && !seen(number))
    seen_[number / 64].fetch_or(std::uint64_t{1} << number % 64,
                                std::memory_order_relaxed);
}

} // namespace terrace
