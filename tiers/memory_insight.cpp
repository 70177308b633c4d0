#include "tiers/memory_insight.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <utility>

namespace terrace {

namespace {

/// Half the usual samples are enough for a line in INFO. Shards share them, but
/// each needs some.
constexpr std::size_t curve_samples = 4096;
constexpr std::size_t least_curve_samples = 128;

/// The past counts half after this many accesses.
constexpr std::uint64_t curve_window = 4'000'000;

/// One key in 128 has the times between its accesses taken, of at most this
/// many keys at a time.
constexpr std::uint64_t reuse_ranks = all_ranks >> 7;
constexpr std::size_t reuse_keys = 4096;

miss_ratio_options curve_options(std::size_t shards) {
  return {std::max(curve_samples / shards, least_curve_samples),
          curve_window / shards};
}

std::chrono::milliseconds between(std::int64_t from, std::int64_t to) {
  return std::chrono::milliseconds{std::max<std::int64_t>(to - from, 0)};
}

} // namespace

memory_insight::memory_insight(std::size_t shards)
  : shards_(shards), curve_(curve_options(shards)) {
  // nop
}

std::uint64_t memory_insight::wanted_ranks() const noexcept {
  return std::max(curve_.followed_ranks(), reuse_ranks);
}

void memory_insight::access(std::uint64_t hash, std::uint32_t size,
                            std::int64_t now_ms) {
  curve_.accessed(hash, size);
  if (sample_rank(hash) > reuse_ranks)
    return;
  if (last_.size() >= reuse_keys / shards_)
    last_.clear();
  auto [last, is_new] = last_.try_emplace(hash, now_ms);
  if (!is_new)
    ages_.reuse.record(between(std::exchange(last->second, now_ms), now_ms));
}

void memory_insight::hit(std::uint64_t hash, std::uint32_t size,
                         std::int64_t written_ms, std::int64_t now_ms) {
  ++hits_;
  access(hash, size, now_ms);
  ages_.at_hit.record(between(written_ms, now_ms));
}

void memory_insight::loaded(std::uint64_t hash, std::uint32_t size,
                            std::uint32_t cost_us, std::int64_t now_ms) {
  access(hash, size, now_ms);
  if (regret_.missed(hash, now_ms))
    regret_cost_us_ += cost_us;
}

void memory_insight::evicted(std::uint64_t hash, std::int64_t written_ms,
                             std::int64_t now_ms) {
  regret_.evicted(hash, now_ms);
  ages_.at_eviction.record(between(written_ms, now_ms));
  ended(written_ms, now_ms);
}

void memory_insight::ended(std::int64_t written_ms, std::int64_t now_ms) {
  ages_.lifetime.record(between(written_ms, now_ms));
}

void memory_insight::fit(std::size_t entries, std::uint64_t hits) {
  regret_.fit(entries);
  // Readers forget some of what they were to remember: that counts as well.
  auto more = hits - std::exchange(known_, hits);
  auto seen = std::exchange(hits_, 0);
  if (more > seen)
    curve_.passed(more - seen);
}

std::size_t memory_insight::bytes() const noexcept {
  constexpr std::size_t sample_bytes = 80;
  return sizeof(*this) + regret_.capacity() * 8
         + curve_.samples() * sample_bytes + last_.capacity() * 17;
}

void memory_insight::describe(std::uint64_t capacity_bytes,
                              std::uint64_t gib_bytes, tier_status& out) const {
  auto n = curve_.accesses();
  auto gain = curve_.gain(capacity_bytes, gib_bytes);
  auto of = [n](double ratio) {
    return static_cast<std::uint64_t>(
      std::llround(ratio * static_cast<double>(n)));
  };
  auto& figures = out.extra;
  figures["curve_accesses"] += n;
  figures["curve_hits_now"] += of(gain.now);
  figures["curve_hits_plus_1gib"] += of(gain.then);
  figures["regrets"] += regret_.figures().regrets;
  figures["regret_cost_us"] += regret_cost_us_;
  out.ages["at_hit"].merge(ages_.at_hit.snapshot());
  out.ages["at_eviction"].merge(ages_.at_eviction.snapshot());
  out.ages["at_end"].merge(ages_.lifetime.snapshot());
  out.ages["between_accesses"].merge(ages_.reuse.snapshot());
}

} // namespace terrace
