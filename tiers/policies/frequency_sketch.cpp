#include "tiers/policies/frequency_sketch.hpp"

#include <algorithm>
#include <bit>

namespace terrace {

namespace {

constexpr std::uint64_t max_count = 15;

/// Requests between two agings, for each item of the cache.
constexpr std::size_t sample_factor = 10;

constexpr std::size_t counters_per_row = 24;

/// Which counters and bits of its block a key has, by a second hash.
struct places {
  explicit places(std::uint64_t hash) noexcept
    : bits((hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9u) {
    // nop
  }

  /// Each row of 24 counters has one.
  std::size_t counter(std::size_t row) const noexcept {
    auto part = (bits >> (row * 12)) & 0xFFF;
    return row * counters_per_row + ((part * counters_per_row) >> 12);
  }

  std::uint64_t door(std::size_t word) const noexcept {
    return std::uint64_t{1} << ((bits >> (48 + 6 * word)) & 63);
  }

  std::uint64_t bits;
};

} // namespace

frequency_sketch::block&
frequency_sketch::block_of(std::uint64_t hash) noexcept {
  return blocks_[hash & (blocks_.size() - 1)];
}

const frequency_sketch::block&
frequency_sketch::block_of(std::uint64_t hash) const noexcept {
  return blocks_[hash & (blocks_.size() - 1)];
}

void frequency_sketch::reserve(std::size_t items) {
  items_ = std::max(items, items_per_block);
  auto n = blocks_for(items_);
  // Keys of one block go to that block and its copies, by further hash bits.
  while (blocks_.size() < n) {
    auto half = blocks_.size();
    blocks_.resize(half * 2);
    std::copy_n(blocks_.begin(), half,
                blocks_.begin() + static_cast<std::ptrdiff_t>(half));
  }
}

void frequency_sketch::increment(std::uint64_t hash) noexcept {
  if (++seen_ > items_ * sample_factor)
    age();
  auto& to = block_of(hash);
  places at{hash};
  if ((to.door[0] & at.door(0)) == 0 || (to.door[1] & at.door(1)) == 0) {
    to.door[0] |= at.door(0);
    to.door[1] |= at.door(1);
    return;
  }
  for (std::size_t row = 0; row < 4; ++row) {
    auto i = at.counter(row);
    auto& word = to.counters[i / 16];
    auto shift = i % 16 * 4;
    if (((word >> shift) & max_count) < max_count)
      word += std::uint64_t{1} << shift;
  }
}

unsigned frequency_sketch::frequency(std::uint64_t hash) const noexcept {
  auto& from = block_of(hash);
  places at{hash};
  auto known = (from.door[0] & at.door(0)) != 0 //
               && (from.door[1] & at.door(1)) != 0;
  auto least = max_count;
  for (std::size_t row = 0; row < 4; ++row) {
    auto i = at.counter(row);
    least = std::min(least,
                     (from.counters[i / 16] >> (i % 16 * 4)) & max_count);
  }
  return static_cast<unsigned>(least) + (known ? 1 : 0);
}

void frequency_sketch::age() noexcept {
  for (auto& x : blocks_) {
    for (auto& word : x.counters)
      word = (word >> 1) & 0x7777777777777777u;
    x.door[0] = x.door[1] = 0;
  }
  seen_ /= 2;
}

} // namespace terrace
