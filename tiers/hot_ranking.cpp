#include "tiers/hot_ranking.hpp"

#include "tiers/hot_keys.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace terrace {

namespace {

/// One part in so many is held beyond the bounds before they are kept.
constexpr std::size_t slack = 4;

bool hotter(const hot_key& x, const hot_key& y) noexcept {
  return x.hotness > y.hotness;
}

} // namespace

void hot_ranking::add(hot_keys xs) {
  for (auto& x : xs)
    bytes_ += kept_size(x);
  std::move(xs.begin(), xs.end(), std::back_inserter(xs_));
  if (xs_.size() > max_keys_ + max_keys_ / slack
      || bytes_ > max_bytes_ + max_bytes_ / slack)
    cut();
}

hot_keys hot_ranking::take() {
  cut();
  bytes_ = 0;
  floor_ = 0;
  return std::exchange(xs_, {});
}

void hot_ranking::cut() {
  std::stable_sort(xs_.begin(), xs_.end(), hotter);
  auto end = xs_.begin();
  bytes_ = 0;
  for (auto n = std::min(xs_.size(), max_keys_); n > 0; --n, ++end) {
    auto size = kept_size(*end);
    if (bytes_ + size > max_bytes_)
      break;
    bytes_ += size;
  }
  if (end == xs_.end())
    return;
  // What is as hot as the last one would not push it out.
  constexpr auto most = std::numeric_limits<std::uint16_t>::max();
  auto last = end == xs_.begin() ? most : std::prev(end)->hotness;
  floor_ = std::max<std::uint16_t>(
    floor_, last == most ? most : static_cast<std::uint16_t>(last + 1));
  xs_.erase(end, xs_.end());
}

hot_keys merge_hottest(std::vector<hot_keys> lists) {
  hot_keys result;
  std::size_t all = 0, longest = 0;
  for (auto& xs : lists) {
    all += xs.size();
    longest = std::max(longest, xs.size());
  }
  result.reserve(all);
  for (std::size_t i = 0; i < longest; ++i)
    for (auto& xs : lists)
      if (i < xs.size())
        result.push_back(std::move(xs[i]));
  std::stable_sort(result.begin(), result.end(), hotter);
  return result;
}

} // namespace terrace
