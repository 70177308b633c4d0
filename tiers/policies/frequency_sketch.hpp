/// Estimates how often keys were asked for lately, present or not.
///
/// Sources: Cormode, Muthukrishnan, "An improved data stream summary: the
/// count-min sketch", 2005; Einziger, Friedman, Manes, "TinyLFU", ACM ToS 2017.
/// Four counters of four bits a key, all in one cache line. A doorkeeper, a
/// Bloom filter of two bits a key in the same line, takes the first request of
/// a key, so that keys seen once do not fill the counters. After ten requests
/// for each item of the cache all counters are halved and the doorkeeper is
/// emptied. Weakness: keys that share counters share estimates, which are
/// therefore too high, never too low, and end at 16.
#pragma once

#include "tiers/page_vector.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace terrace {

class frequency_sketch {
public:
  /// Makes room for a cache of `items`. Growing keeps what was counted.
  void reserve(std::size_t items);

  void increment(std::uint64_t hash) noexcept;

  unsigned frequency(std::uint64_t hash) const noexcept;

  /// Asks the processor for what the two above look at.
  void prefetch(std::uint64_t hash) const noexcept {
    __builtin_prefetch(&block_of(hash));
  }

  std::size_t bytes() const noexcept {
    return blocks_.size() * sizeof(block);
  }

  /// Memory of one that has room for a cache of `items`.
  static std::size_t bytes_for(std::size_t items) noexcept {
    return blocks_for(items) * sizeof(block);
  }

private:
  /// 96 counters of four bits, and 128 bits of the doorkeeper.
  struct alignas(64) block {
    std::uint64_t counters[6] = {};
    std::uint64_t door[2] = {};
  };

  /// Items for which there is one block: 12 counters for each.
  static constexpr std::size_t items_per_block = 8;

  static std::size_t blocks_for(std::size_t items) noexcept {
    return std::bit_ceil(std::max(items, items_per_block) / items_per_block);
  }

  block& block_of(std::uint64_t hash) noexcept;

  const block& block_of(std::uint64_t hash) const noexcept;

  void age() noexcept;

  page_vector<block> blocks_ = page_vector<block>(1); ///< a power of two
  std::size_t items_ = items_per_block;
  std::size_t seen_ = 0;
};

} // namespace terrace
