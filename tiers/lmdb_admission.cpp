#include "tiers/lmdb_admission.hpp"

#include <algorithm>
#include <bit>

namespace terrace {

namespace {

/// The bucket holds what may be written in so many seconds.
constexpr std::int64_t seconds = 10;

constexpr unsigned fewest_bits = 12;
constexpr unsigned most_bits = 26;

} // namespace

lmdb_admission::lmdb_admission(bool reuse, std::uint64_t budget,
                               std::uint64_t entries)
  : reuse_(reuse),
    budget_(budget),
    level_(static_cast<std::int64_t>(budget) * seconds) {
  if (!selects())
    return;
  bits_ = std::clamp(static_cast<unsigned>(std::bit_width(entries)),
                     fewest_bits, most_bits);
  refused_ = std::make_unique<std::atomic<std::uint32_t>[]>(1ull << bits_);
}

bool lmdb_admission::admit(std::uint64_t hash, bool full,
                           std::int64_t now_ms) noexcept {
  if (!selects())
    return true;
  auto prove = reuse_ && full;
  if (budget_ != 0) {
    refill(now_ms);
    auto level = level_.load(std::memory_order_relaxed);
    if (level <= 0)
      return false;
    prove |= level < static_cast<std::int64_t>(budget_) * seconds / 2;
  }
  return !prove || seen(hash);
}

void lmdb_admission::wrote(std::uint64_t bytes) noexcept {
  if (budget_ == 0)
    return;
  // Debts are paid off by waiting, but not for ever.
  auto most = static_cast<std::int64_t>(budget_) * seconds;
  auto level = level_.load(std::memory_order_relaxed);
  level_.store(std::max(level - static_cast<std::int64_t>(bytes), -most),
               std::memory_order_relaxed);
}

void lmdb_admission::refill(std::int64_t now_ms) noexcept {
  auto last = refilled_ms_.exchange(now_ms, std::memory_order_relaxed);
  auto most = static_cast<std::int64_t>(budget_) * seconds;
  auto passed = last == 0
                  ? 0
                  : std::clamp<std::int64_t>(now_ms - last, 0, 1000 * seconds);
  if (passed == 0)
    return;
  auto level = level_.load(std::memory_order_relaxed);
  auto more = static_cast<std::int64_t>(budget_) * passed / 1000;
  level_.store(std::min(level + more, most), std::memory_order_relaxed);
}

/// Whether the key was refused before; it is remembered from now on.
bool lmdb_admission::seen(std::uint64_t hash) noexcept {
  auto print = static_cast<std::uint32_t>(hash) | 1;
  auto& at = refused_[hash >> (64 - bits_)];
  return at.exchange(print, std::memory_order_relaxed) == print;
}

} // namespace terrace
