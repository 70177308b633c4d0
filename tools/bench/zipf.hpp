/// Which key is asked for next.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace terrace::bench {

/// Draws positions from 0 to `n` - 1 so that the k-th most popular one is drawn
/// with a probability proportional to k to the power -`skew`; zero: all
/// equally. YCSB, and papers since, use 0.99. Exact, by a table of `n` numbers.
class zipf {
public:
  zipf(std::size_t n, double skew) : bounds_(n) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i)
      bounds_[i] = sum += std::pow(static_cast<double>(i + 1), -skew);
    // Popular keys are scattered over the key space, as in life.
    order_.resize(n);
    for (std::size_t i = 0; i < n; ++i)
      order_[i] = static_cast<std::uint32_t>(i);
    std::mt19937_64 fixed{1};
    std::shuffle(order_.begin(), order_.end(), fixed);
  }

  std::uint32_t operator()(std::mt19937_64& random) const {
    std::uniform_real_distribution<double> draw{0, bounds_.back()};
    auto i = std::upper_bound(bounds_.begin(), bounds_.end(), draw(random));
    auto rank = static_cast<std::size_t>(i - bounds_.begin());
    return order_[std::min(rank, order_.size() - 1)];
  }

  /// `count` draws in advance, so that drawing is not part of a measurement.
  std::vector<std::uint32_t> draw(std::size_t count, std::uint64_t seed) const {
    std::mt19937_64 random{seed};
    std::vector<std::uint32_t> result(count);
    for (auto& x : result)
      x = (*this)(random);
    return result;
  }

private:
  std::vector<double> bounds_; ///< running sums of the weights
  std::vector<std::uint32_t> order_;
};

} // namespace terrace::bench
