#define CAF_SUITE messages.histogram

#include "messages/histogram.hpp"

#include <caf/test/unit_test.hpp>

#include <algorithm>
#include <random>

using namespace terrace;

CAF_TEST(buckets are contiguous and hold what they say) {
  std::size_t last = 0;
  for (std::uint64_t ns = 0; ns < 100'000; ++ns) {
    auto i = histogram::bucket_of(ns);
    CAF_REQUIRE(i == last || i == last + 1);
    CAF_REQUIRE(ns <= histogram::upper_bound_ns(i));
    if (i > 0)
      CAF_REQUIRE(ns > histogram::upper_bound_ns(i - 1));
    last = i;
  }
  CAF_CHECK_EQUAL(histogram::bucket_of(~std::uint64_t{0}),
                  histogram::bucket_count - 1);
}

CAF_TEST(quantiles are at most a quarter above the true ones) {
  std::mt19937_64 random{42};
  std::lognormal_distribution<double> latencies{10, 1.5};
  latency_recorder recorder;
  std::vector<std::uint64_t> all;
  for (int i = 0; i < 20'000; ++i) {
    all.push_back(static_cast<std::uint64_t>(latencies(random)));
    recorder.record(
      std::chrono::nanoseconds(static_cast<std::int64_t>(all.back())));
  }
  std::sort(all.begin(), all.end());
  auto x = recorder.snapshot();
  CAF_CHECK_EQUAL(x.count(), all.size());
  for (auto q : {0.5, 0.95, 0.99, 1.0}) {
    auto rank = static_cast<std::size_t>(q * static_cast<double>(all.size()));
    auto truth = all[std::max<std::size_t>(rank, 1) - 1];
    CAF_CHECK(x.quantile_ns(q) >= truth);
    CAF_CHECK(static_cast<double>(x.quantile_ns(q))
              <= 1.26 * static_cast<double>(truth) + 1);
  }
}

CAF_TEST(an empty histogram answers zero and merges into others) {
  histogram empty;
  CAF_CHECK_EQUAL(empty.quantile_ns(0.99), 0u);
  CAF_CHECK_EQUAL(empty.mean_ns(), 0.0);
  latency_recorder recorder;
  recorder.record(std::chrono::nanoseconds(100));
  recorder.record(std::chrono::nanoseconds(300));
  empty.merge(recorder.snapshot());
  empty.merge(recorder.snapshot());
  CAF_CHECK_EQUAL(empty.count(), 4u);
  CAF_CHECK_EQUAL(empty.mean_ns(), 200.0);
  recorder.reset();
  CAF_CHECK_EQUAL(recorder.snapshot().count(), 0u);
}
