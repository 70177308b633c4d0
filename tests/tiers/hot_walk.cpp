// What L1 and its policies say about how hot their keys are.
#define CAF_SUITE tiers.hot_walk

#include "tests/support/entries.hpp"
#include "tests/support/policy_bench.hpp"
#include "tiers/memory_store.hpp"

#include <caf/test/unit_test.hpp>

#include <algorithm>
#include <map>

using namespace terrace;
using namespace terrace::test;

namespace {

constexpr std::uint64_t seed = 17;

struct fixture {
  memory_options opts;
  memory_view_ptr view;
  std::unique_ptr<memory_store> store;
  version_t last = 0;

  fixture() {
    opts.policy = "sieve"; // goes by the counter in the node alone
    open(16 << 20);
  }

  void open(std::size_t max_size, std::size_t max_entries = 0) {
    opts.max_size = max_size;
    opts.max_entries = max_entries;
    view = memory_store::make_view(opts, 1, seed);
    store = std::make_unique<memory_store>(opts, view, 0);
  }

  void put(const std::string& name, std::size_t size = 10,
           std::int64_t expires_ms = 0) {
    auto x = make(name, ++last, std::string(size, 'x'), expires_ms);
    store->put(std::span{&x, 1}, false, 0);
  }

  void read(const std::string& name, int times) {
    auto k = key(name);
    auto pinned = view->pin();
    for (; times > 0; --times)
      view->find(pinned, k, view->hash(k), 0);
  }

  /// Walks in steps and returns what was found how often; `between` is called
  /// after each step.
  template <class F>
  std::map<std::string, int>
  walk(std::uint64_t budget, std::uint16_t floor, std::int64_t now, F between) {
    std::map<std::string, int> result;
    hot_request next{0, floor, budget};
    do {
      auto page = store->hottest(next, now);
      for (auto& x : page.found)
        ++result[std::string{user_key(x.key)}];
      next.cursor = page.cursor;
      between();
    } while (next.cursor != 0);
    return result;
  }

  std::map<std::string, int> walk(std::uint16_t floor = 0,
                                  std::int64_t now = 0) {
    return walk(1000, floor, now, [] {});
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(hot_walk_tests, fixture)

CAF_TEST(every policy holds what is used for hotter) {
  for (auto name : policy_names) {
    CAF_MESSAGE(name);
    policy_bench x{name};
    x.in({1, 2, 3, 4, 5, 6});
    x.hit({2, 2, 2, 5});
    auto hotness = [&](int i) {
      return x.engine->hotness(policy_bench::id(static_cast<std::uint64_t>(i)));
    };
    CAF_CHECK(hotness(2) > hotness(5));
    CAF_CHECK(hotness(5) > hotness(3));
  }
}

CAF_TEST(policies that count uses tell more than the counter in an item) {
  for (auto name : {"lfu", "w-tinylfu", "adaptive", "hybrid"}) {
    CAF_MESSAGE(name);
    policy_bench x{name};
    x.in({1, 2, 3, 4});
    x.hit({2, 2, 3, 2, 2, 3, 2, 3, 3, 2});
    CAF_CHECK(x.engine->hotness(policy_bench::id(2))
              > x.engine->hotness(policy_bench::id(3)));
  }
}

CAF_TEST(a better queue is worth more than uses) {
  policy_bench x{"slru"};
  x.in({1, 2});
  x.hit({1});
  for (int i = 0; i < 3; ++i)
    x.space[policy_bench::id(2)].touch(); // not reported: on probation
  CAF_CHECK(x.engine->hotness(policy_bench::id(1))
            > x.engine->hotness(policy_bench::id(2)));
}

CAF_TEST(a walk finds every key once with size and expiry) {
  for (int i = 0; i < 1000; ++i)
    put(std::to_string(i), static_cast<std::size_t>(i), i % 2 == 0 ? 0 : 99);
  auto found = walk(10, 0, 0, [] {});
  CAF_CHECK_EQUAL(found.size(), 1000u);
  for (auto& [name, times] : found)
    CAF_CHECK_EQUAL(times, 1);
  auto page = store->hottest({0, 0, 1'000'000}, 0);
  CAF_CHECK_EQUAL(page.cursor, 0u);
  for (auto& x : page.found) {
    auto i = std::stoi(std::string{user_key(x.key)});
    CAF_CHECK(x.bytes >= static_cast<unsigned>(i) && x.bytes < 2u * i + 100);
    CAF_CHECK_EQUAL(x.expires_ms, i % 2 == 0 ? 0 : 99);
  }
}

CAF_TEST(a step looks at about as many keys as it may) {
  for (int i = 0; i < 5000; ++i)
    put(std::to_string(i));
  auto page = store->hottest({0, 0, 100}, 0);
  CAF_CHECK(page.cursor != 0);
  // A bucket more, at most.
  CAF_CHECK(page.found.size() <= 130);
}

CAF_TEST(what is not hot enough or has expired is left out) {
  put("cold");
  put("warm");
  put("hot");
  put("gone", 10, 50);
  read("warm", 1);
  read("hot", 9);
  read("gone", 2);
  CAF_CHECK_EQUAL(walk(0).size(), 4u);
  CAF_CHECK_EQUAL(walk(0, 50).size(), 3u);
  CAF_CHECK(
    (walk(1, 50) == std::map<std::string, int>{{"warm", 1}, {"hot", 1}}));
  CAF_CHECK((walk(3, 50) == std::map<std::string, int>{{"hot", 1}}));
}

CAF_TEST(a walk finds what is there all the time although the table grows) {
  for (int i = 0; i < 500; ++i)
    put(std::to_string(i));
  int fresh = 0;
  auto found = walk(20, 0, 0, [&] {
    for (int i = 0; i < 200 && fresh < 20'000; ++i)
      put("fresh-" + std::to_string(fresh++));
  });
  for (int i = 0; i < 500; ++i)
    CAF_CHECK(found.count(std::to_string(i)) == 1);
}

CAF_TEST(room is what is left before something is evicted) {
  open(1 << 20);
  auto before = store->room();
  CAF_CHECK(before > 900'000 && before <= 1u << 20);
  put("k", 100'000);
  CAF_CHECK(store->room() < before - 100'000);
  CAF_CHECK(store->room() > before - 150'000);
  for (int i = 0; i < 100; ++i)
    put(std::to_string(i), 50'000);
  CAF_CHECK(store->room() < 51'000);
  store->shed(1 << 20);
  CAF_CHECK_EQUAL(store->room(), 0u);
  open(1 << 20, 2);
  put("a");
  CAF_CHECK(store->room() > 0);
  put("b");
  CAF_CHECK_EQUAL(store->room(), 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
