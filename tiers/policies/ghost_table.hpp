/// Remembers hashes of items that have left, for a while.
///
/// Eight bytes a ghost: a fingerprint and the time of its entry, counted in
/// entries. Ghosts sit in buckets of eight, two places for each that may live;
/// a full bucket forgets its oldest. So a ghost may be lost early (rarely), and
/// one in some hundred million others answers for it.
#pragma once

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

  std::size_t bytes() const noexcept {
    return places_.size() * sizeof(ghost);
  }

private:
  struct ghost {
    std::uint32_t print = 0; ///< 0: none
    std::uint32_t time = 0;
  };

  static constexpr std::size_t bucket_size = 8;

  static std::uint32_t print_of(std::uint64_t hash) noexcept {
    auto x = static_cast<std::uint32_t>(hash ^ (hash >> 32));
    return x != 0 ? x : 1;
  }

  /// First place of the bucket.
  ghost* bucket(std::uint32_t print) noexcept;

  void put(std::uint32_t print, std::uint32_t time) noexcept;

  void grow(std::size_t limit);

  std::vector<ghost> places_; ///< a power of two
  std::uint32_t now_ = 0;
};

} // namespace terrace
