#include "tiers/policies/ghost_table.hpp"

#include <algorithm>
#include <bit>

namespace terrace {

namespace {

constexpr std::size_t least_limit = 64;

/// Not `sample_rank`: in a shadow cache all keys have a low one.
std::uint64_t mix(std::uint64_t hash) noexcept {
  return (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9u;
}

/// Steps in the life of a ghost, at least; twice that at most.
constexpr unsigned life_bits = 7;

/// The part of a ghost that says whose it is, in the place where it is kept.
std::uint32_t print_of(std::uint64_t mixed, unsigned time_bits) noexcept {
  auto x = static_cast<std::uint32_t>(mixed) >> time_bits;
  return (x != 0 ? x : 1) << time_bits;
}

} // namespace

// -- one size -----------------------------------------------------------------

ghost_table::part::part(std::size_t n) : limit(n) {
  auto places = limit + limit / 3;
  lines.resize((places + ghosts_per_line - 1) / ghosts_per_line);
  auto bits = static_cast<unsigned>(std::bit_width(limit));
  step = bits > life_bits + 1 ? bits - life_bits - 1 : 0;
}

std::size_t ghost_table::part::line_of(std::uint64_t mixed) const noexcept {
  return ((mixed >> 32) * lines.size()) >> 32;
}

std::uint32_t ghost_table::part::age(std::uint32_t ghost,
                                     std::uint64_t time) const noexcept {
  auto mask = (std::uint32_t{1} << time_bits) - 1;
  return (static_cast<std::uint32_t>(time >> step) - ghost) & mask;
}

void ghost_table::part::put(std::uint64_t mixed, std::uint64_t time) noexcept {
  auto print = print_of(mixed, time_bits);
  auto& xs = lines[line_of(mixed)].ghosts;
  auto* place = &xs[0];
  std::uint32_t oldest = 0;
  for (auto& x : xs) {
    if (x >> time_bits == print >> time_bits) {
      place = &x;
      break;
    }
    auto old = x == 0 ? UINT32_MAX : age(x, time);
    if (old > oldest) {
      oldest = old;
      place = &x;
    }
  }
  *place = print | age(0, time);
}

bool ghost_table::part::take(std::uint64_t mixed, std::uint64_t time,
                             std::size_t n) noexcept {
  if (lines.empty())
    return false;
  auto print = print_of(mixed, time_bits);
  for (auto& x : lines[line_of(mixed)].ghosts)
    if (x >> time_bits == print >> time_bits) {
      auto recent = age(x, time) < std::max<std::size_t>(n >> step, 1);
      x = 0;
      return recent;
    }
  return false;
}

// -- both ---------------------------------------------------------------------

void ghost_table::insert(std::uint64_t hash, std::size_t limit) {
  if (limit > now_.limit)
    grow(limit);
  now_.put(mix(hash), ++time_);
  if (time_ >= before_to_)
    before_ = {};
}

bool ghost_table::erase(std::uint64_t hash, std::size_t limit) noexcept {
  auto mixed = mix(hash);
  return now_.take(mixed, time_, limit) || before_.take(mixed, time_, limit);
}

void ghost_table::prefetch(std::uint64_t hash) const noexcept {
  __builtin_prefetch(now_.lines.data() + now_.line_of(mix(hash)));
}

/// By a quarter at least, so that it is rare.
void ghost_table::grow(std::size_t limit) {
  auto room = now_.limit == 0 ? limit : std::max(limit, now_.limit / 4 * 5);
  before_to_ = time_ + now_.limit;
  before_ = std::move(now_);
  now_ = part{std::max(room, least_limit)};
}

} // namespace terrace
