#define CAF_SUITE tiers.policies

#include "tests/support/policy_bench.hpp"
#include "tiers/policies/frequency_sketch.hpp"
#include "tiers/policies/ghost_table.hpp"

#include <caf/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

using namespace terrace;
using namespace terrace::test;

using bench = policy_bench;

CAF_TEST(names make policies of that name and others make none) {
  std::vector<test_item> items(2);
  test_space space{items};
  for (auto name : policy_names)
    CAF_CHECK_EQUAL(make_policy(name, space)->name(), name);
  CAF_CHECK(make_policy("magic", space) == nullptr);
}

CAF_TEST(only policies that move items on a hit want accesses) {
  for (auto name : policy_names) {
    auto counter = name == "fifo" || name == "s3-fifo" || name == "sieve";
    CAF_CHECK_EQUAL(bench{name}.engine->wants_accesses(), !counter);
  }
}

// -- orders -------------------------------------------------------------------

CAF_TEST(fifo takes the oldest) {
  bench x{"fifo"};
  x.in({1, 2, 3});
  x.hit({1});
  CAF_CHECK_EQUAL(x.order(), "1 2 3");
  CAF_CHECK_EQUAL(x.out(), 1u);
  CAF_CHECK_EQUAL(x.order(), "2 3");
}

CAF_TEST(lru takes what was not used for longest) {
  bench x{"lru"};
  x.in({1, 2, 3});
  x.hit({1});
  CAF_CHECK_EQUAL(x.order(), "2 3 1");
  x.engine->replaced(bench::id(2), bench::id(4), false, 0); // an access
  x.engine->replaced(bench::id(3), bench::id(5), true, 0);  // none
  CAF_CHECK_EQUAL(x.order(), "5 1 4");
  CAF_CHECK_EQUAL(x.out(), 5u);
}

CAF_TEST(lfu takes the least used and forgets use) {
  bench x{"lfu"};
  x.in({1, 2, 3});
  x.hit({1, 1, 3});
  // Priorities 1: 3, 2: 1, 3: 2, as the age is 0.
  CAF_CHECK_EQUAL(x.order(), "2 3 1");
  CAF_CHECK_EQUAL(x.out(), 2u);
  // The age is 1 now: 4 enters with 2, as 3 has, behind it.
  x.in({4});
  CAF_CHECK_EQUAL(x.order(), "3 4 1");
  CAF_CHECK_EQUAL(x.out(), 3u);
  // The age is 2 now: 5 enters with 3, as the older 1 has.
  x.in({5});
  CAF_CHECK_EQUAL(x.order(), "4 1 5");
}

CAF_TEST(slru protects what was used again) {
  bench x{"slru"};
  x.in({1, 2, 3, 4, 5});
  x.hit({1, 3});
  CAF_CHECK_EQUAL(x.order(), "2 4 5 1 3");
  // Four of five are protected at most: 1 goes back on probation.
  x.hit({2, 4, 5});
  CAF_CHECK_EQUAL(x.order(), "1 3 2 4 5");
  CAF_CHECK_EQUAL(x.out(), 1u);
  CAF_CHECK_EQUAL(x.out(), 3u); // nothing is on probation
}

CAF_TEST(sieve spares what was used and leaves it in its place) {
  bench x{"sieve"};
  x.in({1, 2, 3, 4});
  x.hit({1, 3});
  // The hand spares 1, takes 2 and stays before 3, which is spared next time.
  CAF_CHECK_EQUAL(x.out(), 2u);
  CAF_CHECK_EQUAL(x.order(), "3 4 1");
  x.in({5});
  CAF_CHECK_EQUAL(x.out(), 4u);
  // The newest, 5, is not examined before somebody could use it.
  CAF_CHECK_EQUAL(x.order(), "1 3 5");
}

CAF_TEST(s3 fifo sifts newcomers and remembers them) {
  bench x{"s3-fifo"};
  // Adopted items are main but for the first tenth.
  x.engine->adopt({bench::id(1), bench::id(2), bench::id(3), bench::id(4),
                   bench::id(5), bench::id(6), bench::id(7), bench::id(8),
                   bench::id(9), bench::id(10)},
                  0);
  x.in({11});
  x.hit({1, 1, 11});
  // Two hits take 1 to the main queue, where the first unused item goes.
  CAF_CHECK_EQUAL(x.out(), 2u);
  CAF_CHECK_EQUAL(x.order(), "11 3 4 5 6 7 8 9 10 1");
  // One hit is not enough for 11, which two of eleven do not make crowded.
  x.in({12});
  CAF_CHECK_EQUAL(x.out(), 11u);
  // It returns while it is a ghost, so it goes to the main queue.
  x.in({11});
  CAF_CHECK_EQUAL(x.order(), "12 3 4 5 6 7 8 9 10 1 11");
}

CAF_TEST(s3 fifo asks for one hit while main is being filled) {
  bench x{"s3-fifo"};
  x.in({1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  x.hit({1});
  CAF_CHECK_EQUAL(x.out(), 2u);
  CAF_CHECK_EQUAL(x.order(), "3 4 5 6 7 8 9 10 1");
}

CAF_TEST(s3 fifo gives another round for each hit) {
  bench x{"s3-fifo"};
  x.engine->adopt({bench::id(1), bench::id(2), bench::id(3)}, 0);
  x.hit({2});
  // 1 is all of the small queue, and was not hit; 2 has a round left.
  CAF_CHECK_EQUAL(x.order(), "1 3 2");
  CAF_CHECK_EQUAL(x.out(), 1u);
  CAF_CHECK_EQUAL(x.out(), 3u);
  CAF_CHECK_EQUAL(x.out(), 2u);
}

CAF_TEST(an heir learns from a model) {
  // The model's items 1, 2 and 3 were used once, twice and five times.
  bench model{"lfu"};
  model.in({1, 2, 3});
  model.hit({2, 3, 3, 3, 3});
  bench x{"lfu"};
  policy_lesson lesson{*model.engine, {0, 1, 2}};
  x.engine->adopt({bench::id(4), bench::id(5), bench::id(6)}, 0, &lesson);
  // Three more uses take 4 to four, between 5 and 6.
  x.hit({4, 4, 4});
  CAF_CHECK_EQUAL(x.order(), "5 4 6");
}

CAF_TEST(hybrid weighs use against age) {
  bench x{"hybrid"};
  x.in({1, 2, 3});
  CAF_CHECK_EQUAL(x.order(), "1 2 3");
  // Two uses of 1, the last one latest, are worth more than one of 3.
  x.hit({1});
  CAF_CHECK_EQUAL(x.order(), "2 3 1");
  CAF_CHECK_EQUAL(x.out(), 2u);
  // 4 is used twice in a row, after 1. Both have two uses; those of 4 are
  // later.
  x.in({4});
  x.hit({4});
  CAF_CHECK_EQUAL(x.order(), "3 1 4");
}

CAF_TEST(adaptive weighs recency and frequency and size and lifetime) {
  bench x{"adaptive"};
  x.items[2].size = 100;
  x.items[4].until_ms = 7'004;
  std::int64_t now = 0; // a request a second
  for (auto i : {1, 2, 3, 4})
    x.engine->inserted(bench::id(static_cast<std::uint64_t>(i)), now += 1'000);
  for (auto i : {1, 3, 3})
    x.engine->accessed(bench::id(static_cast<std::uint64_t>(i)), now += 1'000);
  // Four requests, a cacheful, take some 4 s, and 4 has 4 ms: a thousandth,
  // which costs 10. The mean size is 25.75, so 2 loses half of log 3.9 and the
  // others gain half of log 25.75; 3 was used more often than 1, and later.
  CAF_CHECK_EQUAL(x.order(), "4 2 1 3");
}

CAF_TEST(w tinylfu admits who is asked for more often) {
  bench x{"w-tinylfu"};
  x.in({1, 2, 3, 4});
  x.hit({1, 1, 2, 2, 3, 3});
  // One item is the window's; 1, 2 and 3 moved on and were used there, and four
  // fifths of three are two: 1 went back.
  CAF_CHECK_EQUAL(x.order(), "4 1 2 3");
  // How much fits was not known so far, so 4 moves on untested, and the oldest
  // on probation makes room.
  x.in({5});
  CAF_CHECK_EQUAL(x.out(), 1u);
  CAF_CHECK_EQUAL(x.order(), "5 4 2 3");
  // 6 pushes 5 out of the window. Both 5 and 4 were asked for once: 5 goes.
  x.in({6});
  CAF_CHECK_EQUAL(x.out(), 5u);
  CAF_CHECK_EQUAL(x.order(), "6 4 2 3");
  // 6 was asked for twice, 4 once: 4 goes.
  x.hit({6});
  x.in({7});
  CAF_CHECK_EQUAL(x.out(), 4u);
  CAF_CHECK_EQUAL(x.order(), "7 6 2 3");
}

// -- all of them --------------------------------------------------------------

CAF_TEST(what has expired leaves when it is looked at) {
  for (auto name : policy_names) {
    CAF_MESSAGE(name);
    bench x{name};
    x.items[1].until_ms = 10;
    x.in({1, 2, 3});
    for (int i = 0; i < 5; ++i)
      x.hit({1, 2, 3});
    CAF_CHECK_EQUAL(x.out(11), 1u);
  }
}

CAF_TEST(release empties a policy and another one adopts all) {
  for (auto name : policy_names)
    for (auto next : policy_names) {
      bench x{name};
      x.in({1, 2, 3, 4, 5, 6});
      x.hit({2, 4, 4});
      auto xs = x.engine->release();
      CAF_REQUIRE_EQUAL(xs.size(), 6u);
      CAF_CHECK(x.engine->dump().empty());
      CAF_CHECK_EQUAL(x.engine->evict(0), 0u);
      auto heir = make_policy(next, x.space);
      heir->adopt(xs, 0);
      std::set<item_id> left;
      while (auto item = heir->evict(0))
        left.insert(item);
      CAF_CHECK_EQUAL(left.size(), 6u);
    }
}

CAF_TEST(release keeps the order of a list) {
  bench x{"lru"};
  x.in({1, 2, 3});
  x.hit({2});
  auto xs = x.engine->release();
  x.engine->adopt(xs, 0);
  CAF_CHECK_EQUAL(x.order(), "1 3 2");
}

CAF_TEST(every item leaves once whatever happens) {
  constexpr std::uint32_t seed = 4711;
  constexpr std::uint64_t capacity = 300;
  constexpr std::size_t keys = 400;
  CAF_MESSAGE("seed " << seed);
  for (auto name : policy_names) {
    CAF_MESSAGE(name);
    std::mt19937 random{seed};
    // Each key has two items, of which one may be resident.
    bench x{name, 2 * keys};
    std::vector<item_id> here(keys);
    std::uint64_t size = 0;
    std::size_t count = 0;
    std::int64_t now = 1;
    auto fresh = [&](std::size_t key, item_id old) {
      auto i = key + (old == bench::id(key) ? keys : 0);
      if (i == 0)
        i = keys;
      x.items[i].hash = mix(key);
      x.items[i].size = static_cast<std::uint32_t>(1 + random() % 9);
      x.items[i].until_ms = random() % 4 == 0 ? now + random() % 500 : 0;
      return bench::id(i);
    };
    auto key_of = [&](item_id id) { return id / test_space::stride % keys; };
    auto gone = [&](item_id id) {
      auto key = key_of(id);
      CAF_REQUIRE_EQUAL(here[key], id);
      here[key] = 0;
      size -= x.space.size(id);
      --count;
    };
    for (int step = 0; step < 20'000; ++step, ++now) {
      std::size_t key = 1 + std::min(random() % (keys - 1), random() % 100);
      auto old = here[key];
      auto dice = random() % 20;
      if (old == 0) {
        here[key] = fresh(key, 0);
        x.engine->inserted(here[key], now);
        size += x.space.size(here[key]);
        ++count;
      } else if (dice == 0) {
        x.engine->erased(old);
        gone(old);
      } else if (dice < 4) {
        here[key] = fresh(key, old);
        x.engine->replaced(old, here[key], dice == 1, now);
        size += x.space.size(here[key]);
        size -= x.space.size(old);
      } else {
        x.space[old].touch();
        x.engine->accessed(old, now);
      }
      while (size > capacity) {
        auto victim = x.engine->evict(now);
        CAF_REQUIRE_NOT_EQUAL(victim, 0u);
        gone(victim);
      }
    }
    while (auto victim = x.engine->evict(now))
      gone(victim);
    CAF_CHECK_EQUAL(count, 0u);
    CAF_CHECK_EQUAL(size, 0u);
  }
}

// -- parts --------------------------------------------------------------------

CAF_TEST(ghosts are remembered for a number of others) {
  ghost_table ghosts;
  for (std::uint64_t i = 1; i <= 1000; ++i)
    ghosts.insert(mix(i), 100);
  CAF_CHECK(!ghosts.erase(mix(900), 100));
  std::size_t known = 0;
  for (std::uint64_t i = 901; i <= 1000; ++i)
    known += ghosts.erase(mix(i), 100);
  // Full buckets may have lost some.
  CAF_CHECK(known >= 95);
  CAF_CHECK(!ghosts.erase(mix(1000), 100)); // it was forgotten just now
}

CAF_TEST(the sketch never counts less than there was) {
  frequency_sketch sketch;
  for (std::size_t n = 1; n <= 512; ++n) {
    sketch.reserve(n); // grows with what it knows
    for (std::size_t k = 0; k < n % 8; ++k)
      sketch.increment(mix(n));
  }
  std::size_t exact = 0;
  for (std::size_t n = 1; n <= 512; ++n) {
    CAF_CHECK(sketch.frequency(mix(n)) >= n % 8);
    exact += sketch.frequency(mix(n)) == n % 8;
  }
  // Counters are shared, and growing copies what others counted.
  CAF_CHECK(exact > 512 / 2);
}
