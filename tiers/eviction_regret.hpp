/// How often eviction was wrong: keys asked for again after they had been
/// evicted, and how long after.
///
/// Evicted keys leave a ghost: 32 bits of their hash and the time, 8 bytes.
/// Ghosts lie in buckets of 8, a cache line each; a bucket that is full drops
/// its oldest. `fit` lets their number follow that of the entries, so that what
/// is found answers "would a cache of twice the entries have had it".
///
/// Limits: two keys whose 32 bits agree are taken for one: among a million
/// ghosts one look-up in 4000 finds another key's. Times are kept in steps of
/// 16 ms, and an age past a year is wrong. Single-owner, no clock.
#pragma once

#include "tiers/page_vector.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace terrace {

/// Figures since the start.
struct regret_figures {
  std::uint64_t evictions = 0;
  std::uint64_t regrets = 0; ///< asked for again while a ghost was left

  friend bool operator==(const regret_figures&, const regret_figures&)
    = default;
};

class eviction_regret {
public:
  // -- constants --------------------------------------------------------------

  static constexpr std::size_t min_ghosts = 64;

  /// 512 MiB of them.
  static constexpr std::size_t max_ghosts = 1u << 26;

  // -- constructors -----------------------------------------------------------

  /// Room for at least `ghosts`, within the two bounds.
  explicit eviction_regret(std::size_t ghosts = min_ghosts);

  // -- changes ----------------------------------------------------------------

  /// An entry was evicted. `hash` is a 64-bit hash of its key.
  void evicted(std::uint64_t hash, std::int64_t now_ms) noexcept;

  /// A key was asked for and is not there. If it was evicted not long ago,
  /// counts that, forgets the ghost and returns the time since the eviction;
  /// zero if the clock went back.
  std::optional<std::chrono::milliseconds> missed(std::uint64_t hash,
                                                  std::int64_t now_ms) noexcept;

  /// Asks the processor for what `missed` looks at.
  void prefetch(std::uint64_t hash) const noexcept {
    __builtin_prefetch(&buckets_[fingerprint(hash) >> shift_]);
  }

  /// Makes room for about as many ghosts as there are entries: between that
  /// number and four times it. Goes through all ghosts if the room changes,
  /// which is at every doubling; of too many the youngest stay.
  void fit(std::size_t entries);

  // -- properties -------------------------------------------------------------

  const regret_figures& figures() const noexcept {
    return figures_;
  }

  /// Ghosts there are.
  std::size_t size() const noexcept {
    return size_;
  }

  /// Ghosts there is room for.
  std::size_t capacity() const noexcept {
    return buckets_.size() * bucket_size;
  }

private:
  // -- types ------------------------------------------------------------------

  struct ghost {
    std::uint32_t fingerprint = 0; ///< 0: free
    std::uint32_t time = 0;        ///< steps of 16 ms, modulo 2^32
  };

  static constexpr std::size_t bucket_size = 8;

  struct alignas(64) bucket {
    std::array<ghost, bucket_size> ghosts;
  };

  // -- helpers ----------------------------------------------------------------

  static std::uint32_t fingerprint(std::uint64_t hash) noexcept;

  static std::uint32_t coarse(std::int64_t ms) noexcept;

  bucket& bucket_of(std::uint32_t fingerprint) noexcept {
    return buckets_[fingerprint >> shift_];
  }

  /// Puts a ghost in the place of an older one of the same key, in a free place
  /// or in that of the bucket's oldest, unless it is older itself.
  void insert(ghost x) noexcept;

  // -- members ----------------------------------------------------------------

  page_vector<bucket> buckets_; ///< their number is a power of two
  unsigned shift_ = 32;         ///< leaves a bucket's number of a fingerprint
  std::size_t size_ = 0;
  regret_figures figures_;
};

} // namespace terrace
