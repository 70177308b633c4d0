/// Latency histograms: a value type for messages, and the recorder that fills
/// it from any thread.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <vector>

namespace terrace {

/// Log-linear buckets over nanoseconds: four per power of two, so a reported
/// quantile is at most 25 % above the true one. The last bucket takes
/// everything past about 73 minutes.
struct histogram {
  static constexpr std::size_t bucket_count = 164;

  std::vector<std::uint64_t> counts; ///< empty, or `bucket_count` long
  std::uint64_t sum_ns = 0;

  static constexpr std::size_t bucket_of(std::uint64_t ns) noexcept {
    if (ns < 4)
      return static_cast<std::size_t>(ns);
    auto top = static_cast<std::size_t>(std::bit_width(ns)) - 1;
    auto index = (top - 1) * 4 + ((ns >> (top - 2)) & 3);
    return index < bucket_count ? index : bucket_count - 1;
  }

  /// Largest value, in nanoseconds, that falls into bucket `i`.
  static constexpr std::uint64_t upper_bound_ns(std::size_t i) noexcept {
    if (i < 4)
      return i;
    auto top = i / 4 + 1;
    auto sub = i % 4;
    return ((std::uint64_t{4} + sub + 1) << (top - 2)) - 1;
  }

  std::uint64_t count() const noexcept;

  /// Mean in nanoseconds, zero when empty.
  double mean_ns() const noexcept;

  /// Upper bound, in nanoseconds, of the bucket that holds quantile `q` in
  /// [0, 1]; zero when empty.
  std::uint64_t quantile_ns(double q) const noexcept;

  void merge(const histogram& x);

  friend bool operator==(const histogram&, const histogram&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, histogram& x) {
  return f(x.counts, x.sum_ns);
}

/// Counts durations from any number of threads without a lock. Reading while
/// others record gives a snapshot that may lag by what is being recorded.
class latency_recorder {
public:
  void record(std::chrono::nanoseconds x) noexcept {
    auto ns = x.count() > 0 ? static_cast<std::uint64_t>(x.count()) : 0;
    counts_[histogram::bucket_of(ns)].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(ns, std::memory_order_relaxed);
  }

  histogram snapshot() const;

  void reset() noexcept;

private:
  std::array<std::atomic<std::uint64_t>, histogram::bucket_count> counts_{};
  std::atomic<std::uint64_t> sum_ns_{0};
};

} // namespace terrace
