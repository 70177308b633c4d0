/// What `terrace-bench disk-churn` measured, and how it is told.
#pragma once

#include "messages/status.hpp"
#include "tools/bench/disk_churn_load.hpp"
#include "tools/bench/samples.hpp"

#include <vector>

namespace terrace::bench {

/// `x` in units of `of`; zero if that is zero.
inline double ratio(std::uint64_t x, std::uint64_t of) noexcept {
  return of == 0 ? 0 : static_cast<double>(x) / static_cast<double>(of);
}

/// Files in a folder.
struct footprint {
  std::uint64_t length = 0;
  std::uint64_t blocks = 0; ///< bytes of the device that they take
};

/// Totals at one moment.
struct churn_sample {
  double seconds = 0;
  footprint disk;
  std::uint64_t hits = 0;
  std::uint64_t lookups = 0;
  std::uint64_t accepted = 0;
  std::uint64_t written = 0;
  tier_status tier;
};

/// Between two samples.
struct churn_span {
  const churn_sample& from;
  const churn_sample& to;

  double hit_ratio() const {
    return ratio(to.hits - from.hits, to.lookups - from.lookups);
  }

  double amplification() const {
    return ratio(to.written - from.written, to.accepted - from.accepted);
  }

  double accepted_per_second() const {
    return static_cast<double>(to.accepted - from.accepted)
           / (to.seconds - from.seconds);
  }
};

struct churn_result {
  std::vector<churn_sample> looks; ///< one every `every`, and the ends
  footprint largest;
  samples seconds; ///< bytes accepted in single ones
};

void print_head(const disk_churn_options& opts, std::size_t keys);

void print_line(const disk_churn_options& opts, const churn_span& x);

/// All of it, as `opts` has it.
void print_end(const disk_churn_options& opts, churn_result& x,
               const churn_counters& counters);

} // namespace terrace::bench
