/// Exact quantiles of measured durations.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

namespace terrace::bench {

/// Keeps every duration, in nanoseconds: eight bytes each. One thread at a
/// time; threads keep their own and merge them in the end.
class samples {
public:
  void add(std::uint64_t ns) {
    xs_.push_back(ns);
  }

  void merge(const samples& x) {
    xs_.insert(xs_.end(), x.xs_.begin(), x.xs_.end());
  }

  std::size_t size() const noexcept {
    return xs_.size();
  }

  double total() const {
    return std::accumulate(xs_.begin(), xs_.end(), 0.0);
  }

  double mean() const {
    return xs_.empty() ? 0.0 : total() / static_cast<double>(xs_.size());
  }

  /// The smallest value that at least the share `q` of all does not exceed.
  double quantile(double q) {
    if (xs_.empty())
      return 0;
    auto rank = std::ceil(q * static_cast<double>(xs_.size()));
    auto at = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
    auto i = xs_.begin() + static_cast<std::ptrdiff_t>(at);
    std::nth_element(xs_.begin(), i, xs_.end());
    return static_cast<double>(*i);
  }

private:
  std::vector<std::uint64_t> xs_;
};

} // namespace terrace::bench
