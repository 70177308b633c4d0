#define CAF_SUITE tiers.redis_shards

#include "tiers/redis_shards.hpp"

#include <caf/test/unit_test.hpp>

#include <array>

using namespace terrace;

namespace {

using labels = std::vector<std::string>;

constexpr int names = 30'000;

std::string name(int i) {
  return "terrace:0:key:" + std::to_string(i);
}

} // namespace

CAF_TEST(every server gets its part) {
  redis_shards uut{labels{"a:1", "b:1", "c:1"}};
  std::array<int, 3> counts{};
  for (int i = 0; i < names; ++i)
    ++counts[uut.owner(name(i))];
  // A third of 30,000 and six standard deviations (82 each).
  for (auto n : counts)
    CAF_CHECK(n > 9500 && n < 10500);
}

CAF_TEST(the order of the servers is of no importance) {
  labels x{"a:1", "b:1", "c:1"};
  labels y{"c:1", "a:1", "b:1"};
  redis_shards one{x};
  redis_shards other{y};
  for (int i = 0; i < 1000; ++i)
    CAF_CHECK_EQUAL(x[one.owner(name(i))], y[other.owner(name(i))]);
}

CAF_TEST(only the keys of a server that leaves or joins move) {
  labels x{"a:1", "b:1", "c:1", "d:1"};
  labels y{"a:1", "b:1", "d:1"};
  redis_shards four{x};
  redis_shards three{y};
  int moved = 0;
  for (int i = 0; i < names; ++i) {
    auto& before = x[four.owner(name(i))];
    auto& after = y[three.owner(name(i))];
    moved += before != after;
    CAF_CHECK(before == after || before == "c:1");
  }
  // A quarter of 30,000 and six standard deviations (75 each).
  CAF_CHECK(moved > 7050 && moved < 7950);
}

CAF_TEST(one server has all keys) {
  redis_shards uut{labels{"a:1"}};
  CAF_CHECK_EQUAL(uut.owner("x"), 0u);
}
