#define CAF_SUITE tiers.auto_policy

#include "tiers/policies/auto_policy.hpp"
#include "tests/support/policy_bench.hpp"

#include <caf/test/unit_test.hpp>

#include <algorithm>
#include <random>
#include <string>

using namespace terrace;
using namespace terrace::test;

using bench = policy_bench;

namespace {

/// A cache of items of size 1, run by "auto".
struct auto_cache {
  auto_cache(std::size_t keys, std::size_t capacity,
             policy_group* group = nullptr)
    : x("auto", keys + 1, group), resident(keys + 1), room(capacity) {
    for (std::size_t i = 0; i < x.items.size(); ++i)
      x.items[i].hash = mix(i);
  }

  const auto_policy& engine() const {
    return dynamic_cast<const auto_policy&>(*x.engine);
  }

  void get(std::size_t key) {
    ++requests;
    auto id = bench::id(key);
    if (resident[key]) {
      ++hits;
      x.space[id].touch();
      x.engine->accessed(id, 0);
      return;
    }
    x.space[id].accesses = 0;
    x.engine->inserted(id, 0);
    resident[key] = true;
    if (++count > room) {
      resident[x.out()] = false;
      --count;
    }
  }

  std::uint64_t hits_of(std::string_view name) const {
    for (auto& y : engine().candidates())
      if (y.name == name)
        return y.hits;
    return 0;
  }

  bench x;
  std::vector<bool> resident;
  std::size_t room;
  std::size_t count = 0;
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
};

/// A loop of 300 keys, which LRU and FIFO always miss in a cache of 200.
void loop(auto_cache& x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    x.get(1 + i % 300);
}

/// A window of 250 keys moves on by one key every ten requests, and the keys in
/// it are asked for equally often: what is good is recent.
void drift(auto_cache& x, std::size_t n) {
  std::mt19937 random{17};
  for (std::size_t i = 0; i < n; ++i)
    x.get(1000 + i / 10 + random() % 250);
}

} // namespace

CAF_TEST(auto changes with the requests) {
  auto_cache x{50'000, 200};
  drift(x, 60'000);
  auto recent = std::string{x.engine().current()};
  auto before = x.hits;
  loop(x, 60'000);
  auto looped = std::string{x.engine().current()};
  CAF_MESSAGE(recent << ", then " << looped);
  CAF_CHECK_NOT_EQUAL(recent, looped);
  CAF_CHECK(x.engine().switches() > 0);
  // Of 300 keys 199 can be kept by who never lets them go: two thirds of the
  // requests hit. LRU hits none. To learn may cost some.
  CAF_CHECK(x.hits - before > 60'000 / 3);
}

CAF_TEST(auto tells what each policy would have hit) {
  auto_cache x{50'000, 200};
  loop(x, 6'000);
  auto all = x.engine().candidates();
  CAF_CHECK_EQUAL(all.size(), std::size(policy_names) - 1);
  for (auto& y : all)
    CAF_CHECK_EQUAL(y.requests, 6'000u);
  CAF_CHECK_EQUAL(x.hits_of("lru"), 0u);
  CAF_CHECK_EQUAL(x.hits_of("fifo"), 0u);
  CAF_CHECK(x.hits_of("w-tinylfu") > 0);
}

CAF_TEST(auto tries a large cache out on a sample) {
  auto_cache x{100'000, 20'000};
  std::mt19937 random{23};
  for (int i = 0; i < 200'000; ++i)
    x.get(1 + std::min(random() % 60'000, random() % 60'000));
  // Shadows hold 4096 items at most, so one key of eight is sampled; before,
  // while the cache was filled, it was more.
  for (auto& y : x.engine().candidates()) {
    CAF_CHECK(y.requests > 200'000 / 8 - 3'000);
    CAF_CHECK(y.requests < 200'000 / 8 + 20'000);
  }
  CAF_CHECK_EQUAL(x.engine().dump().size(), 20'000u);
}

CAF_TEST(shards learn from each other) {
  policy_group group{2};
  auto_cache x{50'000, 5'000, &group};
  auto_cache y{50'000, 5'000, &group};
  std::mt19937 random{29};
  auto key = [&] { return 1 + std::min(random() % 30'000, random() % 30'000); };
  for (int i = 0; i < 100'000; ++i) {
    x.get(key());
    y.get(key());
  }
  // One set of trials, which sees a sample of both.
  for (auto& seen : x.engine().candidates()) {
    CAF_CHECK(seen.requests > 200'000 / 8);
    CAF_CHECK(seen.requests < 200'000 / 2);
  }
  // Now what is good is recent, and only one shard sees that; what is found to
  // be better is taken into use by both.
  auto before = x.engine().switches();
  for (unsigned i = 0; i < 600'000 && x.engine().switches() == before; ++i)
    x.get(1 + (i / 5 + random() % 12'000) % 50'000);
  CAF_CHECK(x.engine().switches() > before);
  CAF_MESSAGE(y.engine().current() << ", then " << x.engine().current());
  for (int i = 0; i < 100 || y.engine().current() != x.engine().current();
       ++i) {
    y.get(key());
    CAF_REQUIRE(i < 100'000);
  }
  CAF_CHECK_EQUAL(x.engine().dump().size(), 5'000u);
}

CAF_TEST(auto changes a large cache when there is room for the new policy) {
  auto_cache x{200'000, 10'000};
  auto scan_and_loop = [&x](std::size_t n) {
    for (std::size_t i = 0; i < n; ++i)
      x.get(1 + i % 15'000);
  };
  std::mt19937 random{29};
  for (std::size_t i = 0; i < 300'000; ++i)
    x.get(20'000 + i / 10 + random() % 12'500);
  auto before = std::string{x.engine().current()};
  x.x.space.room = 0;
  x.x.space.wanted = 0;
  scan_and_loop(600'000);
  CAF_MESSAGE(before << " wants " << x.x.space.wanted << " bytes");
  CAF_CHECK(x.x.space.wanted > 0);
  CAF_CHECK_EQUAL(x.engine().current(), before);
  x.x.space.room = SIZE_MAX;
  scan_and_loop(15'000);
  CAF_CHECK_NOT_EQUAL(x.engine().current(), before);
  CAF_CHECK_EQUAL(x.engine().dump().size(), 10'000u);
}
