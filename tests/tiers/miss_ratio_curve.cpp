#define CAF_SUITE tiers.miss_ratio_curve

#include "tiers/miss_ratio_curve.hpp"

#include <caf/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <list>
#include <random>
#include <unordered_map>

using namespace terrace;

namespace {

constexpr std::uint32_t seed = 4;

/// An LRU cache that is bounded in bytes and counts its misses.
class lru {
public:
  explicit lru(std::uint64_t capacity) : capacity_(capacity) {
    // nop
  }

  void access(std::uint64_t key, std::uint32_t size) {
    ++accesses_;
    if (auto i = at_.find(key); i != at_.end()) {
      order_.splice(order_.end(), order_, i->second);
      return;
    }
    ++misses_;
    order_.push_back({key, size});
    at_[key] = std::prev(order_.end());
    bytes_ += size;
    while (bytes_ > capacity_) {
      bytes_ -= order_.front().second;
      at_.erase(order_.front().first);
      order_.pop_front();
    }
  }

  void forget_figures() {
    accesses_ = misses_ = 0;
  }

  double miss_ratio() const {
    return static_cast<double>(misses_) / static_cast<double>(accesses_);
  }

private:
  using order = std::list<std::pair<std::uint64_t, std::uint32_t>>;

  std::uint64_t capacity_;
  std::uint64_t bytes_ = 0;
  order order_;
  std::unordered_map<std::uint64_t, order::iterator> at_;
  std::uint64_t accesses_ = 0;
  std::uint64_t misses_ = 0;
};

/// Draws keys from 0 to n - 1, the k-th with a weight of k^-skew.
class zipf {
public:
  zipf(std::size_t n, double skew) : bounds_(n) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i)
      bounds_[i] = sum += std::pow(static_cast<double>(i + 1), -skew);
  }

  std::uint64_t operator()(std::mt19937_64& random) const {
    // Not a standard distribution: those differ between libraries.
    auto x = static_cast<double>(random() >> 11) * 0x1p-53 * bounds_.back();
    auto i = std::upper_bound(bounds_.begin(), bounds_.end(), x);
    return std::min<std::uint64_t>(i - bounds_.begin(), bounds_.size() - 1);
  }

private:
  std::vector<double> bounds_;
};

/// From 1 to 2000 bytes, 250 on average, by the key.
std::uint32_t size_of(std::uint64_t key) {
  return key % 8 == 0 ? 1 + key * 7919 % 2000 : 1 + key * 31 % 286;
}

/// The curve beside caches of several sizes.
struct comparison {
  miss_ratio_curve curve;
  std::vector<std::pair<std::uint64_t, lru>> caches;

  comparison(miss_ratio_options opts, std::vector<std::uint64_t> sizes)
    : curve(opts) {
    for (auto size : sizes)
      caches.emplace_back(size, lru{size});
  }

  void access(std::uint64_t key, std::uint32_t size) {
    curve.accessed(key, size);
    for (auto& x : caches)
      x.second.access(key, size);
  }

  double largest_difference() const {
    double result = 0;
    for (auto& [size, cache] : caches) {
      auto difference = curve.miss_ratio(size) - cache.miss_ratio();
      CAF_MESSAGE(size << " bytes: " << curve.miss_ratio(size) << " for "
                       << cache.miss_ratio());
      result = std::max(result, std::abs(difference));
    }
    return result;
  }
};

} // namespace

CAF_TEST(nothing asked for is all missed) {
  miss_ratio_curve curve;
  CAF_CHECK_EQUAL(curve.miss_ratio(1 << 20), 1.0);
  CAF_CHECK_EQUAL(curve.rate(), 1.0 - 0x1p-64);
  curve.accessed(1, 10);
  CAF_CHECK_EQUAL(curve.miss_ratio(1 << 20), 1.0);
  CAF_CHECK_EQUAL(curve.miss_ratio(0), 1.0);
}

CAF_TEST(with all keys sampled the answer is exact) {
  miss_ratio_curve curve;
  // Round and round over 10 keys of 1 byte: LRU holds all of them or misses
  // always, except for the 10 first accesses.
  for (int i = 0; i < 1000; ++i)
    curve.accessed(static_cast<std::uint64_t>(i % 10), 1);
  CAF_CHECK_EQUAL(curve.samples(), 10u);
  CAF_CHECK_EQUAL(curve.miss_ratio(9), 1.0);
  CAF_CHECK(std::abs(curve.miss_ratio(10) - 0.01) < 1e-9);
  auto x = curve.gain(9, 1);
  CAF_CHECK_EQUAL(x.now, 0.0);
  CAF_CHECK(std::abs(x.then - 0.99) < 1e-9);
  // Does not overflow.
  CAF_CHECK(std::abs(curve.gain(9, ~std::uint64_t{0}).then - 0.99) < 1e-9);
}

CAF_TEST(distances count bytes and a key that changed size its last ones) {
  miss_ratio_curve curve;
  // Twice each, 7 + 5 bytes apart and then 5 + 3.
  curve.accessed(1, 7);
  curve.accessed(2, 5);
  curve.accessed(1, 3);
  curve.accessed(2, 5);
  CAF_CHECK_EQUAL(curve.miss_ratio(7), 1.0);
  CAF_CHECK_EQUAL(curve.miss_ratio(8), 0.5);
}

CAF_TEST(the curve agrees with LRU caches on a sample of a skewed stream) {
  CAF_MESSAGE("seed " << seed);
  std::mt19937_64 random{seed};
  for (auto skew : {0.6, 0.9, 1.1}) {
    zipf draw{100'000, skew};
    // All keys are 25 MB.
    comparison x{{4096, 0}, {500'000, 2'000'000, 5'000'000, 12'000'000}};
    for (int i = 0; i < 500'000; ++i) {
      auto key = draw(random);
      x.access(key, size_of(key));
    }
    CAF_CHECK(x.curve.samples() <= 4096);
    CAF_CHECK(x.curve.rate() < 0.1);
    CAF_CHECK(x.largest_difference() < 0.02);
  }
}

CAF_TEST(the miss ratio never rises with the size) {
  std::mt19937_64 random{seed};
  zipf draw{20'000, 0.8};
  miss_ratio_curve curve{{256, 10'000}};
  for (int i = 0; i < 100'000; ++i) {
    auto key = draw(random);
    curve.accessed(key, size_of(key));
  }
  CAF_CHECK(curve.samples() <= 256);
  double last = 1;
  for (std::uint64_t size = 1; size < 100'000'000; size += size / 3 + 1) {
    auto x = curve.miss_ratio(size);
    CAF_CHECK(x <= last && x >= 0);
    last = x;
  }
}

CAF_TEST(the curve follows traffic that changes) {
  CAF_MESSAGE("seed " << seed);
  std::mt19937_64 random{seed};
  comparison x{{4096, 200'000}, {500'000, 2'000'000, 4'000'000}};
  // Many keys once each, which leave a low threshold behind.
  for (std::uint64_t i = 0; i < 1'000'000; ++i)
    x.access(1'000'000 + i, 300);
  CAF_CHECK(x.curve.rate() < 0.02);
  CAF_CHECK(x.curve.miss_ratio(4'000'000) > 0.95);
  // Then a few thousand, of which the old samples would leave some dozens.
  zipf draw{20'000, 0.8};
  for (int i = 0; i < 3'000'000; ++i) {
    if (i == 1'000'000)
      for (auto& cache : x.caches)
        cache.second.forget_figures();
    auto key = draw(random);
    x.access(key, size_of(key));
  }
  CAF_CHECK(x.curve.rate() > 0.1);
  CAF_CHECK(x.curve.accesses() < 400'001);
  // 3000 samples of ten windows; other seeds give 0.015 as a root mean square.
  CAF_CHECK(x.largest_difference() < 0.03);
}
