/// Remembers hashes of items that have left, for a while.
///
/// Four bytes a ghost, a cache line for sixteen: 20 bits of the hash and the
/// time of its entry, counted in entries, in 128 or more steps for the time
/// that ghosts live. There is a third more room than for those that live; a
/// full line forgets its oldest. So a ghost may be lost early (rarely), and one
/// in 65,000 others answers for it. When more are to be remembered, those there
/// are stay where they are until their time is over.
#pragma once

#include "tiers/page_vector.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace terrace {

class ghost_table {
public:
  /// Remembers `hash` for the next `limit` entries.
  void insert(std::uint64_t hash, std::size_t limit);

  /// Whether `hash` was one of the last `limit` entries. Forgets it.
  bool erase(std::uint64_t hash, std::size_t limit) noexcept;

  /// Asks the processor for what `erase` looks at.
  void prefetch(std::uint64_t hash) const noexcept;

  std::size_t bytes() const noexcept {
    return (now_.lines.size() + before_.lines.size()) * sizeof(line);
  }

  /// Memory of one that remembers `limit` ghosts.
  static std::size_t bytes_for(std::size_t limit) noexcept {
    return (limit + limit / 3) * sizeof(std::uint32_t);
  }

private:
  static constexpr std::size_t ghosts_per_line = 16;

  static constexpr unsigned time_bits = 12;

  struct alignas(64) line {
    /// The part of the hash above the time; 0: none.
    std::array<std::uint32_t, ghosts_per_line> ghosts{};
  };

  /// Ghosts of one size of the table.
  struct part {
    explicit part(std::size_t limit);

    part() = default;

    std::size_t line_of(std::uint64_t mixed) const noexcept;

    void put(std::uint64_t mixed, std::uint64_t time) noexcept;

    bool take(std::uint64_t mixed, std::uint64_t time,
              std::size_t limit) noexcept;

    /// Steps since a ghost came.
    std::uint32_t age(std::uint32_t ghost, std::uint64_t time) const noexcept;

    std::size_t limit = 0; ///< it was made for
    unsigned step = 0;     ///< binary logarithm of entries in one
    page_vector<line> lines;
  };

  void grow(std::size_t limit);

  std::uint64_t time_ = 0; ///< entries so far
  part now_;
  part before_;                 ///< when there was less room; only read
  std::uint64_t before_to_ = 0; ///< its ghosts are gone at this time
};

} // namespace terrace
