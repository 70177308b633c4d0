/// A histogram of durations from milliseconds to years.
#pragma once

#include "messages/histogram.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <numeric>

namespace terrace {

/// The buckets of `histogram`, but over milliseconds: that one counts
/// nanoseconds and ends at 73 minutes, this one ends past a century. Quantiles
/// are at most 25 % above the true ones. To record is an increment and an
/// addition. Single-owner.
class age_histogram {
public:
  /// Negative counts as zero.
  void record(std::chrono::milliseconds x) noexcept {
    auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(x.count(), 0));
    ++counts_[histogram::bucket_of(ms)];
    sum_ms_ += ms;
  }

  std::uint64_t count() const noexcept {
    return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
  }

  /// Zero when empty.
  std::chrono::milliseconds mean() const noexcept {
    auto n = count();
    return std::chrono::milliseconds{n == 0 ? 0 : sum_ms_ / n};
  }

  /// Upper bound of the bucket that holds quantile `q` in [0, 1]; zero when
  /// empty.
  std::chrono::milliseconds quantile(double q) const {
    return std::chrono::milliseconds{snapshot().quantile_ns(q)};
  }

  void merge(const age_histogram& x) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      counts_[i] += x.counts_[i];
    sum_ms_ += x.sum_ms_;
  }

  /// For messages: milliseconds stand where it says nanoseconds.
  histogram snapshot() const {
    return {{counts_.begin(), counts_.end()}, sum_ms_};
  }

  friend bool operator==(const age_histogram&, const age_histogram&) = default;

private:
  std::array<std::uint64_t, histogram::bucket_count> counts_{};
  std::uint64_t sum_ms_ = 0;
};

/// How old entries become and when they are of use: enough to choose expiry and
/// size by. About 5 KiB.
struct entry_ages {
  age_histogram at_hit;      ///< from the write to an access that found it
  age_histogram at_eviction; ///< from the write to eviction
  age_histogram lifetime;    ///< from the write to its end, of any kind
  age_histogram reuse;       ///< between two accesses of the same entry

  void merge(const entry_ages& x) noexcept {
    at_hit.merge(x.at_hit);
    at_eviction.merge(x.at_eviction);
    lifetime.merge(x.lifetime);
    reuse.merge(x.reuse);
  }

  friend bool operator==(const entry_ages&, const entry_ages&) = default;
};

} // namespace terrace
