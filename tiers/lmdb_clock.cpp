#include "tiers/lmdb_clock.hpp"

#include <algorithm>
#include <bit>

namespace terrace {

namespace {

constexpr unsigned most = 3;
constexpr unsigned fewest_bits = 14;

/// Counters per entry: one in five entries shares its counter with another.
constexpr std::uint64_t per_entry = 4;

unsigned bits_for(std::uint64_t entries) noexcept {
  auto wanted = std::bit_width(entries * per_entry);
  return std::max(fewest_bits, static_cast<unsigned>(wanted));
}

} // namespace

lmdb_clock::table::table(unsigned n)
  : bits(n), words(std::make_unique<word[]>((1ull << n) / 4)) {
  // nop
}

/// The upper bits of the hash say where: a table of twice the size has the
/// counters of this one at twice their place.
unsigned lmdb_clock::table::get(std::uint64_t hash) const noexcept {
  auto i = hash >> (64 - bits);
  auto x = words[i / 4].load(std::memory_order_relaxed);
  return x >> (i % 4 * 2) & most;
}

void lmdb_clock::table::set(std::uint64_t hash, unsigned x) noexcept {
  auto i = hash >> (64 - bits);
  auto shift = i % 4 * 2;
  auto& at = words[i / 4];
  auto rest = at.load(std::memory_order_relaxed) & ~(most << shift);
  at.store(static_cast<std::uint8_t>(rest | x << shift),
           std::memory_order_relaxed);
}

lmdb_clock::lmdb_clock(std::uint64_t entries)
  : owner_(std::make_unique<table>(bits_for(entries))) {
  now_ = owner_.get();
  // Neighbouring counters belong to unrelated keys: every second one is every
  // second key.
  auto n = (1ull << owner_->bits) / 4;
  for (std::uint64_t i = 0; i < n; ++i)
    owner_->words[i].store(0b00010001, std::memory_order_relaxed);
}

void lmdb_clock::prefetch(std::uint64_t hash) const noexcept {
  auto& at = *now_.load(std::memory_order_acquire);
  __builtin_prefetch(&at.words[(hash >> (64 - at.bits)) / 4]);
}

void lmdb_clock::touch(std::uint64_t hash) noexcept {
  auto& at = *now_.load(std::memory_order_acquire);
  if (auto x = at.get(hash); x < most)
    at.set(hash, x + 1);
}

void lmdb_clock::admit(std::uint64_t hash) noexcept {
  auto& at = *now_.load(std::memory_order_relaxed);
  at.set(hash, std::max(at.get(hash), 1u));
}

bool lmdb_clock::seen(std::uint64_t hash) const noexcept {
  return now_.load(std::memory_order_acquire)->get(hash) != 0;
}

bool lmdb_clock::pass(std::uint64_t hash) noexcept {
  auto& at = *now_.load(std::memory_order_relaxed);
  auto x = at.get(hash);
  if (x == 0)
    return true;
  at.set(hash, x - 1);
  return false;
}

void lmdb_clock::grow(std::uint64_t entries) {
  auto bits = bits_for(entries);
  if (bits <= owner_->bits)
    return;
  auto larger = std::make_unique<table>(bits);
  auto n = 1ull << bits;
  auto step = 64 - bits;
  for (std::uint64_t i = 0; i < n; ++i)
    larger->set(i << step, owner_->get(i << step));
  larger->smaller = std::move(owner_);
  owner_ = std::move(larger);
  now_.store(owner_.get(), std::memory_order_release);
}

std::size_t lmdb_clock::bytes() const noexcept {
  return (1ull << now_.load(std::memory_order_relaxed)->bits) / 4;
}

} // namespace terrace
