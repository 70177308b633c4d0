#include "tiers/policies/ghost_table.hpp"

#include <algorithm>
#include <bit>

namespace terrace {

ghost_table::ghost* ghost_table::bucket(std::uint32_t print) noexcept {
  auto buckets = places_.size() / bucket_size;
  auto mixed = print * std::uint64_t{0x9E3779B97F4A7C15u};
  return &places_[((mixed >> 32) & (buckets - 1)) * bucket_size];
}

void ghost_table::insert(std::uint64_t hash, std::size_t limit) {
  if (limit * 2 > places_.size())
    grow(limit);
  put(print_of(hash), ++now_);
}

void ghost_table::put(std::uint32_t print, std::uint32_t time) noexcept {
  auto first = bucket(print);
  auto last = first + bucket_size;
  auto age = [this](const ghost& x) {
    return x.print == 0 ? UINT32_MAX : now_ - x.time;
  };
  auto i = std::find_if(first, last,
                        [=](const ghost& x) { return x.print == print; });
  if (i == last)
    i = std::max_element(first, last, [&](const ghost& x, const ghost& y) {
      return age(x) < age(y);
    });
  *i = {print, time};
}

bool ghost_table::erase(std::uint64_t hash, std::size_t limit) noexcept {
  if (places_.empty())
    return false;
  auto print = print_of(hash);
  auto first = bucket(print);
  for (auto i = first; i != first + bucket_size; ++i)
    if (i->print == print) {
      auto recent = now_ - i->time < limit;
      *i = {};
      return recent;
    }
  return false;
}

void ghost_table::grow(std::size_t limit) {
  auto n = std::bit_ceil(std::max<std::size_t>(limit * 2, 2 * bucket_size));
  std::vector<ghost> old(n);
  old.swap(places_);
  for (auto& x : old)
    if (x.print != 0)
      put(x.print, x.time);
}

} // namespace terrace
