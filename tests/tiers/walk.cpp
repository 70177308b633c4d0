// The plain state machines of the data path: walk, single flight, fences,
// clock.

#define CAF_SUITE tiers.walk

#include "tiers/fences.hpp"
#include "tiers/hybrid_clock.hpp"
#include "tiers/single_flight.hpp"
#include "tiers/tier_walk.hpp"

#include <caf/test/unit_test.hpp>

#include <set>
#include <thread>

using namespace terrace;

namespace {

auto all_usable = [](std::size_t, std::size_t) { return true; };

lookup hit(std::string_view value) {
  return lookup::found({blob::copy(value), 1, 0, {}}, tier_kind::none);
}

} // namespace

CAF_TEST(a walk asks each tier only for what is still missing) {
  tier_walk w{{"a", "b", "c"}, 0, 3};
  auto step = w.next(all_usable);
  CAF_REQUIRE(step);
  CAF_CHECK_EQUAL(step->tier, 0u);
  CAF_CHECK(step->missing == (keys{"a", "b", "c"}));
  w.answer({lookup::missed(), hit("1"), lookup::missed()});
  step = w.next(all_usable);
  CAF_CHECK_EQUAL(step->tier, 1u);
  CAF_CHECK(step->missing == (keys{"a", "c"}));
  w.answer({hit("2"), lookup::missed()});
  step = w.next(all_usable);
  CAF_CHECK_EQUAL(step->tier, 2u);
  CAF_CHECK(step->missing == (keys{"c"}));
  w.answer({lookup::missed()});
  CAF_CHECK(!w.next(all_usable));
  CAF_CHECK_EQUAL(w.results()[0].data.value.view(), "2");
  CAF_CHECK_EQUAL(w.found_in(0), 1u);
  CAF_CHECK_EQUAL(w.results()[1].data.value.view(), "1");
  CAF_CHECK(w.results()[2] == lookup::missed());
}

CAF_TEST(a walk ends early when everything is found) {
  tier_walk w{{"a"}, 0, 3};
  w.next(all_usable);
  w.answer({hit("1")});
  CAF_CHECK(!w.next(all_usable));
}

CAF_TEST(a failed tier is no miss unless a lower tier has the key) {
  tier_walk w{{"a", "b"}, 0, 2};
  w.next(all_usable);
  w.fail(errc::timeout);
  w.next(all_usable);
  w.answer({hit("1"), lookup::missed()});
  CAF_CHECK(!w.next(all_usable));
  CAF_CHECK(w.results()[0].hit());
  CAF_CHECK(w.results()[1] == lookup::failed(errc::timeout));
}

CAF_TEST(a tier with an open breaker is passed over) {
  tier_walk w{{"a"}, 0, 2};
  auto step = w.next([](std::size_t tier, std::size_t n) {
    CAF_CHECK_EQUAL(n, 1u);
    return tier == 1;
  });
  CAF_CHECK_EQUAL(step->tier, 1u);
  w.answer({lookup::missed()});
  CAF_CHECK(!w.next(all_usable));
  CAF_CHECK(w.results()[0] == lookup::failed(errc::breaker_open));
}

CAF_TEST(an answer of the wrong length is an error of that tier) {
  tier_walk w{{"a", "b"}, 0, 1};
  w.next(all_usable);
  w.answer({hit("1")});
  CAF_CHECK(!w.next(all_usable));
  CAF_CHECK(w.results()[0] == lookup::failed(errc::protocol_violation));
}

CAF_TEST(a flight serves all who ask for its key) {
  single_flight<int> x;
  auto [id, fresh] = x.join("k", 1);
  CAF_CHECK(fresh);
  CAF_CHECK(!x.join("k", 2).second);
  CAF_CHECK(x.join("other", 3).second);
  auto landed = x.land(id);
  CAF_CHECK(landed.keep);
  CAF_CHECK(landed.waiters == (std::vector<int>{1, 2}));
  CAF_CHECK(x.join("k", 4).second);
}

CAF_TEST(a detached flight is not kept and nobody joins it) {
  single_flight<int> x;
  auto first = x.join("k", 1).first;
  x.detach("k");
  auto [second, fresh] = x.join("k", 2);
  CAF_CHECK(fresh);
  auto old = x.land(first);
  CAF_CHECK(!old.keep);
  CAF_CHECK(old.waiters == (std::vector<int>{1}));
  // The landing of the old flight must not disturb the new one.
  CAF_CHECK(!x.join("k", 3).second);
  auto landed = x.land(second);
  CAF_CHECK(landed.keep);
  CAF_CHECK(landed.waiters == (std::vector<int>{2, 3}));
}

CAF_TEST(flights are detached by predicate) {
  single_flight<int> x;
  auto a = x.join("a:1", 1).first;
  auto b = x.join("b:1", 2).first;
  x.detach_if([](const std::string& key) { return key.starts_with("a:"); });
  CAF_CHECK(!x.land(a).keep);
  CAF_CHECK(x.land(b).keep);
}

CAF_TEST(a fence hides what it means until no walk can bring it back) {
  fences x;
  record old{blob::copy("v"), 5, 0, {}};
  record fresh{blob::copy("v"), 15, 0, {}};
  x.raise({selector::kind::prefix, 0, "u:"}, 10, true);
  auto key = qualify(0, "u:1");
  CAF_CHECK(x.hide(key, old, tier_kind::disk));
  CAF_CHECK(x.hide(key, old, tier_kind::redis));
  CAF_CHECK(!x.hide(key, fresh, tier_kind::disk));
  CAF_CHECK(!x.hide(qualify(0, "v:1"), old, tier_kind::disk));
  // Walk 7 was the latest when the fence was lowered: until it ends the fence
  // stays in force.
  x.lower(10, 7);
  x.collect(7);
  CAF_CHECK(x.hide(key, old, tier_kind::disk));
  x.collect(8);
  CAF_CHECK(!x.hide(key, old, tier_kind::disk));
  CAF_CHECK_EQUAL(x.size(), 0u);
}

CAF_TEST(
  what the shared tier has after the purge of another node is not hidden) {
  fences x;
  record old{blob::copy("v"), 5, 0, {}};
  x.raise({selector::kind::all, 0, {}}, 10, false);
  CAF_CHECK(x.hide(qualify(0, "k"), old, tier_kind::disk));
  CAF_CHECK(!x.hide(qualify(0, "k"), old, tier_kind::redis));
}

CAF_TEST(versions follow time and never repeat or go back) {
  hybrid_clock clock;
  auto a = clock.next(1000);
  CAF_CHECK_EQUAL(hybrid_clock::physical_ms(a), 1000);
  auto b = clock.next(999); // the wall clock went back
  CAF_CHECK(b > a);
  auto c = clock.next(2000, 10);
  auto d = clock.next(2000);
  CAF_CHECK_EQUAL(d, c + 10);
  CAF_CHECK(clock.observe(hybrid_clock::at(5000), 2000));
  CAF_CHECK(clock.next(2000) > hybrid_clock::at(5000));
  // 62 s ahead of the wall clock: not followed.
  CAF_CHECK(!clock.observe(hybrid_clock::at(64'001), 2000));
  CAF_CHECK(clock.next(2000) < hybrid_clock::at(64'000));
}

CAF_TEST(versions are unique across threads) {
  hybrid_clock clock;
  std::vector<std::vector<version_t>> got(4);
  std::vector<std::thread> threads;
  for (auto& mine : got)
    threads.emplace_back([&clock, &mine] {
      for (int i = 0; i < 10'000; ++i)
        mine.push_back(clock.next(1));
    });
  for (auto& t : threads)
    t.join();
  std::set<version_t> all;
  for (auto& mine : got)
    all.insert(mine.begin(), mine.end());
  CAF_CHECK_EQUAL(all.size(), 40'000u);
}
