#define CAF_SUITE tiers.eviction_regret

#include "tiers/eviction_regret.hpp"

#include <caf/test/unit_test.hpp>

#include <map>
#include <random>

using namespace terrace;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t start_ms = 1'760'000'000'000; // in 2025

struct fixture {
  eviction_regret regret;
  std::mt19937_64 random{5};

  std::vector<std::uint64_t> hashes(std::size_t n) {
    std::vector<std::uint64_t> result(n);
    for (auto& x : result)
      x = random();
    return result;
  }

  /// How many of them are still ghosts; they are no longer afterwards.
  std::size_t found(const std::vector<std::uint64_t>& xs) {
    std::size_t result = 0;
    for (auto x : xs)
      result += regret.missed(x, start_ms).has_value() ? 1 : 0;
    return result;
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(eviction_regret_tests, fixture)

CAF_TEST(a key asked for again after its eviction is regretted once) {
  CAF_CHECK(!regret.missed(1, start_ms));
  regret.evicted(1, start_ms);
  CAF_CHECK(!regret.missed(2, start_ms));
  auto age = regret.missed(1, start_ms + 3'600'000);
  CAF_REQUIRE(age.has_value());
  CAF_CHECK(*age > 1h - 16ms && *age < 1h + 16ms);
  CAF_CHECK(!regret.missed(1, start_ms + 3'600'000));
  CAF_CHECK((regret.figures() == regret_figures{1, 1}));
  CAF_CHECK_EQUAL(regret.size(), 0u);
}

CAF_TEST(a second eviction counts from then on) {
  regret.evicted(1, start_ms);
  regret.evicted(1, start_ms + 1600);
  CAF_CHECK_EQUAL(regret.size(), 1u);
  CAF_CHECK(regret.missed(1, start_ms + 3200) == 1600ms);
}

CAF_TEST(a clock that went back makes no age) {
  regret.evicted(1, start_ms);
  CAF_CHECK(regret.missed(1, start_ms - 86'400'000) == 0ms);
}

CAF_TEST(the number of ghosts is bounded and the latest ones stay) {
  regret.fit(1000);
  CAF_CHECK_EQUAL(regret.capacity(), 1024u);
  auto old = hashes(100'000);
  auto recent = hashes(512);
  for (auto x : old)
    regret.evicted(x, start_ms);
  for (auto x : recent)
    regret.evicted(x, start_ms + 1000);
  CAF_CHECK_EQUAL(regret.capacity(), 1024u);
  CAF_CHECK(regret.size() <= 1024u);
  // Half of the room taken: of 128 buckets a few have got more than 8.
  CAF_CHECK(found(recent) > 490);
  CAF_CHECK(found(old) > 480);
  CAF_CHECK_EQUAL(regret.size(), 0u);
}

CAF_TEST(ghosts survive more room and the youngest of them less) {
  auto first = hashes(1000);
  auto second = hashes(300);
  regret.fit(10'000);
  for (auto x : first)
    regret.evicted(x, start_ms);
  for (auto x : second)
    regret.evicted(x, start_ms + 1000);
  regret.fit(100'000);
  CAF_CHECK_EQUAL(regret.capacity(), 131'072u);
  CAF_CHECK_EQUAL(regret.size(), 1300u);
  regret.fit(600);
  CAF_CHECK_EQUAL(regret.capacity(), 1024u);
  CAF_CHECK(found(second) > 295);
  CAF_CHECK(found(first) > 500);
  CAF_CHECK_EQUAL(regret.figures().evictions, 1300u);
}

CAF_TEST(the room changes at doublings only and within bounds) {
  regret.fit(1000);
  regret.fit(300);
  CAF_CHECK_EQUAL(regret.capacity(), 1024u);
  regret.fit(255);
  CAF_CHECK_EQUAL(regret.capacity(), 256u);
  regret.fit(1000);
  regret.fit(0);
  CAF_CHECK_EQUAL(regret.capacity(), eviction_regret::min_ghosts);
}

CAF_TEST(hashes of one shard spread over all buckets) {
  regret.fit(8192);
  // The same upper, then the same lower 16 bits.
  for (std::uint64_t x = 0; x < 2000; ++x) {
    regret.evicted(0xABCD'0000'0000'0000 | random() >> 16, start_ms);
    regret.evicted(0xABCD | random() << 16, start_ms);
  }
  // 4000 in 8192 places.
  CAF_CHECK(regret.size() > 3900);
}

CAF_TEST(random changes agree with a map while there is room) {
  constexpr std::uint32_t seed = 11;
  CAF_MESSAGE("seed " << seed);
  random.seed(seed);
  regret.fit(1 << 16);
  std::map<std::uint64_t, std::int64_t> model;
  auto now_ms = start_ms;
  for (int i = 0; i < 50'000; ++i) {
    now_ms += static_cast<std::int64_t>(random() % 1000);
    // As few keys as never fill a bucket: 500 in 8192 of them.
    auto hash = (random() % 500 + 1) * 0x9e3779b97f4a7c15;
    if (random() % 2 == 0) {
      regret.evicted(hash, now_ms);
      model[hash] = now_ms;
      continue;
    }
    auto age = regret.missed(hash, now_ms);
    auto i_model = model.find(hash);
    CAF_REQUIRE_EQUAL(age.has_value(), i_model != model.end());
    if (!age)
      continue;
    auto error = age->count() - (now_ms - i_model->second);
    CAF_REQUIRE(error > -16 && error < 16);
    model.erase(i_model);
  }
  CAF_CHECK_EQUAL(regret.size(), model.size());
}

CAF_TEST_FIXTURE_SCOPE_END()
