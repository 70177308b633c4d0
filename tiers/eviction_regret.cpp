#include "tiers/eviction_regret.hpp"

#include <algorithm>
#include <bit>

namespace terrace {

namespace {

constexpr std::int64_t step_ms = 16;

/// Steps from `x` to `y`, negative if `y` is earlier; right up to a year.
std::int32_t since(std::uint32_t x, std::uint32_t y) noexcept {
  return static_cast<std::int32_t>(y - x);
}

} // namespace

// -- constructors -------------------------------------------------------------

eviction_regret::eviction_regret(std::size_t ghosts) {
  ghosts = std::bit_ceil(std::clamp(ghosts, min_ghosts, max_ghosts));
  buckets_.resize(ghosts / bucket_size);
  shift_ = 32 - static_cast<unsigned>(std::countr_zero(buckets_.size()));
}

// -- changes ------------------------------------------------------------------

void eviction_regret::evicted(std::uint64_t hash,
                              std::int64_t now_ms) noexcept {
  ++figures_.evictions;
  insert({fingerprint(hash), coarse(now_ms)});
}

std::optional<std::chrono::milliseconds>
eviction_regret::missed(std::uint64_t hash, std::int64_t now_ms) noexcept {
  auto wanted = fingerprint(hash);
  for (auto& x : bucket_of(wanted).ghosts) {
    if (x.fingerprint != wanted)
      continue;
    ++figures_.regrets;
    --size_;
    x.fingerprint = 0;
    auto steps = std::max(since(x.time, coarse(now_ms)), 0);
    return std::chrono::milliseconds{std::int64_t{steps} * step_ms};
  }
  return std::nullopt;
}

void eviction_regret::fit(std::size_t entries) {
  auto least = std::clamp(entries, min_ghosts, max_ghosts);
  if (capacity() >= least && capacity() / 4 <= least)
    return;
  eviction_regret fresh{least};
  for (auto& from : buckets_)
    for (auto& x : from.ghosts)
      if (x.fingerprint != 0)
        fresh.insert(x);
  fresh.figures_ = figures_;
  *this = std::move(fresh);
}

// -- helpers ------------------------------------------------------------------

std::uint32_t eviction_regret::fingerprint(std::uint64_t hash) noexcept {
  // Multiplied, as a part of the hash may be the same for the whole shard.
  auto x = static_cast<std::uint32_t>(
    ((hash ^ hash >> 32) * 0x9e3779b97f4a7c15ULL) >> 32);
  return x != 0 ? x : 1;
}

std::uint32_t eviction_regret::coarse(std::int64_t ms) noexcept {
  return static_cast<std::uint32_t>(ms / step_ms);
}

void eviction_regret::insert(ghost x) noexcept {
  ghost* place = nullptr;
  for (auto& y : bucket_of(x.fingerprint).ghosts) {
    if (y.fingerprint == x.fingerprint) {
      y = x;
      return;
    }
    if (y.fingerprint == 0) {
      if (!place || place->fingerprint != 0)
        place = &y;
    } else if (!place
               || (place->fingerprint != 0 && since(y.time, place->time) > 0)) {
      place = &y;
    }
  }
  if (place->fingerprint == 0)
    ++size_;
  else if (since(x.time, place->time) > 0)
    return;
  *place = x;
}

} // namespace terrace
