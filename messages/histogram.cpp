#include "messages/histogram.hpp"

#include <cmath>
#include <numeric>

namespace terrace {

std::uint64_t histogram::count() const noexcept {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

double histogram::mean_ns() const noexcept {
  auto n = count();
  return n == 0 ? 0.0 : static_cast<double>(sum_ns) / static_cast<double>(n);
}

std::uint64_t histogram::quantile_ns(double q) const noexcept {
  auto n = count();
  if (n == 0)
    return 0;
  auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(n)));
  if (rank == 0)
    rank = 1;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    seen += counts[i];
    if (seen >= rank)
      return upper_bound_ns(i);
  }
  return upper_bound_ns(counts.size() - 1);
}

void histogram::merge(const histogram& x) {
  if (counts.size() < x.counts.size())
    counts.resize(x.counts.size());
  for (std::size_t i = 0; i < x.counts.size(); ++i)
    counts[i] += x.counts[i];
  sum_ns += x.sum_ns;
}

histogram latency_recorder::snapshot() const {
  histogram result;
  result.counts.reserve(histogram::bucket_count);
  for (auto& x : counts_)
    result.counts.push_back(x.load(std::memory_order_relaxed));
  result.sum_ns = sum_ns_.load(std::memory_order_relaxed);
  return result;
}

void latency_recorder::reset() noexcept {
  for (auto& x : counts_)
    x.store(0, std::memory_order_relaxed);
  sum_ns_.store(0, std::memory_order_relaxed);
}

} // namespace terrace
