#define CAF_SUITE tiers.age_histogram

#include "tiers/age_histogram.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;
using namespace std::chrono_literals;

CAF_TEST(an empty one is all zero) {
  age_histogram x;
  CAF_CHECK_EQUAL(x.count(), 0u);
  CAF_CHECK(x.mean() == 0ms);
  CAF_CHECK(x.quantile(0.5) == 0ms);
}

CAF_TEST(quantiles are right within a quarter from milliseconds to decades) {
  for (std::chrono::milliseconds x :
       {1ms, 90ms, 61'000ms, std::chrono::milliseconds{24h},
        std::chrono::milliseconds{24h * 365 * 20}}) {
    age_histogram ages;
    ages.record(x);
    CAF_CHECK(ages.mean() == x);
    CAF_CHECK(ages.quantile(0.99) >= x);
    CAF_CHECK(ages.quantile(0.99) <= x * 5 / 4);
  }
}

CAF_TEST(a clock that went back counts as zero) {
  age_histogram x;
  x.record(-5ms);
  CAF_CHECK_EQUAL(x.snapshot().counts[0], 1u);
  CAF_CHECK(x.mean() == 0ms);
}

CAF_TEST(merging adds all four) {
  entry_ages a;
  entry_ages b;
  a.at_hit.record(1ms);
  b.at_hit.record(3ms);
  b.at_eviction.record(4ms);
  b.lifetime.record(5ms);
  b.reuse.record(6ms);
  a.merge(b);
  CAF_CHECK_EQUAL(a.at_hit.count(), 2u);
  CAF_CHECK(a.at_hit.mean() == 2ms);
  CAF_CHECK(a.at_eviction == b.at_eviction);
  CAF_CHECK(a.lifetime == b.lifetime);
  CAF_CHECK(a.reuse == b.reuse);
}
