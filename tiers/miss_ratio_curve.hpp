/// What a cache of another size would miss: the miss ratio curve of LRU,
/// estimated from a sample of the keys in bounded memory.
///
/// Source: Waldspurger, Park, Garthwaite, Ahmad, "Efficient MRC Construction
/// with SHARDS", FAST 2015: the variant of fixed size, with its adjustment of
/// the sample count (SHARDS-adj). A key is sampled if its rank is below a
/// threshold, so all accesses of a key are, or none. For an access of a sampled
/// key the bytes of all keys that were accessed since the last time are counted
/// among the samples and divided by the sampling rate. When there are too many
/// samples, those with the largest ranks go and the threshold becomes lower.
/// Distances are in bytes here, as the sizes of entries differ.
///
/// Two additions keep it true over days. Every `window` accesses all counts are
/// halved, and samples idle for a window or two are forgotten. If that leaves
/// room, the threshold is raised: keys above the old one are followed from then
/// on, but count only a window later, when all that is below the new one has
/// been followed for that long.
///
/// Cost: an access that is not sampled takes a multiplication or two; a sampled
/// one O(log samples). About 80 bytes per sample, and 8 KiB.
///
/// Limits: an estimate, of LRU. 8192 samples of skewed traffic give ratios that
/// are about 0.01 off, a quarter of the samples twice that. What is idle for
/// two windows counts as new, so a window should be many times the number of
/// entries. Changes of size count from the next access on, removals not at all.
/// Now and then an access takes half a millisecond, to number the samples anew.
/// Single-owner.
#pragma once

#include "tiers/prefix_sums.hpp"
#include "tiers/sample_rank.hpp"

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace terrace {

struct miss_ratio_options {
  /// Keys followed at a time; at least 16.
  std::size_t max_samples = 8192;

  /// Accesses after which the past counts half; 0: never.
  std::uint64_t window = 0;
};

/// What more memory would give.
struct hit_ratio_gain {
  double now = 0;  ///< hit ratio of the one size, from 0 to 1
  double then = 0; ///< of the larger one
};

class miss_ratio_curve {
public:
  // -- constructors -----------------------------------------------------------

  explicit miss_ratio_curve(const miss_ratio_options& opts = {});

  // -- changes ----------------------------------------------------------------

  /// Somebody asked for a key, which was there or not. `hash` is any 64-bit
  /// hash of it, `size_bytes` what it takes in the cache.
  void accessed(std::uint64_t hash, std::uint32_t size_bytes) {
    auto x = sample_rank(hash);
    if (x < followed_)
      sample(x, size_bytes);
    passed(1);
  }

  /// So many accesses were of keys that are not followed, see
  /// `followed_ranks`: whoever looks himself need not tell them one by one.
  void passed(std::uint64_t n) {
    accesses_ += n;
    if (until_turn_ > n)
      until_turn_ -= n;
    else
      turn();
  }

  // -- properties -------------------------------------------------------------

  /// Share of accesses, from 0 to 1, that an LRU cache of this size would have
  /// missed; 1 if there were none.
  double miss_ratio(std::uint64_t capacity_bytes) const noexcept;

  /// The hit ratio at a size and at one that is `more_bytes` larger.
  hit_ratio_gain gain(std::uint64_t capacity_bytes,
                      std::uint64_t more_bytes) const noexcept;

  /// Share of keys that is sampled, above 0 and up to 1.
  double rate() const noexcept;

  /// Last `sample_rank` of the keys that are followed.
  std::uint64_t followed_ranks() const noexcept {
    return followed_;
  }

  /// Keys followed.
  std::size_t samples() const noexcept {
    return samples_.size();
  }

  /// Accesses that the curve stands for, halved like the counts.
  std::uint64_t accesses() const noexcept {
    return accesses_;
  }

private:
  // -- types ------------------------------------------------------------------

  /// A followed key, by its rank.
  struct follow {
    std::uint32_t position; ///< of its last access, among those of samples
    std::uint32_t size_bytes;
    std::uint32_t window; ///< of its last access
  };

  // -- constants --------------------------------------------------------------

  /// Buckets of distances: 16 per power of two, up to 2^63.
  static constexpr unsigned sub_bits = 4;
  static constexpr std::size_t buckets = (64 - sub_bits) << sub_bits;

  // -- helpers ----------------------------------------------------------------

  static std::size_t bucket_of(std::uint64_t distance) noexcept;

  /// Smallest distance in bucket `i`.
  static std::uint64_t lower_bound(std::size_t i) noexcept;

  void sample(std::uint64_t x, std::uint32_t size_bytes);

  /// Counts an access of a sample that was last seen at `old`.
  void count(const follow& old, std::uint32_t size_bytes);

  /// Gives up the largest rank, and the threshold becomes that.
  void lower_threshold();

  /// Ends a window.
  void turn();

  /// Numbers the positions anew, without gaps. Bytes of keys at or above
  /// `counted_` are left out.
  void renumber();

  // -- members ----------------------------------------------------------------

  miss_ratio_options opts_;
  std::uint64_t followed_; ///< ranks below are followed
  std::uint64_t counted_;  ///< and of these, those below are counted
  absl::flat_hash_map<std::uint64_t, follow> samples_;
  std::vector<std::uint64_t> largest_; ///< their ranks, as a heap
  prefix_sums bytes_;                  ///< by position
  std::uint32_t next_position_ = 0;
  std::uint32_t window_ = 0;
  std::uint64_t until_turn_;
  std::uint64_t accesses_ = 0;
  std::array<double, buckets> reuses_{}; ///< by distance, in accesses
  double counted_accesses_ = 0;          ///< of samples, in accesses
};

} // namespace terrace
