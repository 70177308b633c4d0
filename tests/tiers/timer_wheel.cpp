#define CAF_SUITE tiers.timer_wheel

#include "tiers/timer_wheel.hpp"

#include <caf/test/unit_test.hpp>

#include <map>
#include <random>
#include <unordered_map>

using namespace terrace;

namespace {

constexpr std::int64_t start_ms = 1'760'000'000'000; // in 2025
constexpr std::int64_t year_ms = std::int64_t{365} * 24 * 3600 * 1000;
constexpr std::size_t plenty = 1'000'000;

struct fixture {
  timer_wheel wheel;

  std::vector<item_id> due(std::int64_t now_ms, std::size_t budget = plenty) {
    std::vector<item_id> result;
    wheel.advance(now_ms, budget, [&](item_id x) { result.push_back(x); });
    return result;
  }
};

using items = std::vector<item_id>;

/// What the wheel must do, with an ordered map.
class model {
public:
  explicit model(std::uint32_t seed) : random_(seed) {
    // nop
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      auto what = below(100);
      if (what < 55)
        schedule();
      else if (what < 70)
        cancel();
      else if (what < 75)
        move();
      else
        advance();
      CAF_REQUIRE_EQUAL(wheel_.size(), timers_.size());
    }
    // Nothing is lost.
    now_ = timer_wheel::horizon_ms;
    while (!timers_.empty())
      report(below(5000) + 1);
  }

private:
  struct timer {
    timer_id id;
    std::int64_t until_ms;
  };

  std::uint64_t below(std::uint64_t n) {
    return random_() % n;
  }

  /// Of any magnitude, so that all levels are used.
  std::int64_t duration() {
    return static_cast<std::int64_t>(below(std::uint64_t{1} << below(41)));
  }

  /// Some timer, as ids of items are dense enough.
  auto any() {
    return timers_.lower_bound(static_cast<item_id>(random_()));
  }

  void schedule() {
    item_id x;
    do
      x = static_cast<item_id>(random_());
    while (x == 0 || timers_.count(x) > 0);
    auto until_ms = now_ + duration() - (below(10) == 0 ? 1000 : 0);
    auto t = wheel_.schedule(x, until_ms);
    CAF_REQUIRE(t != 0);
    timers_[x] = {t, until_ms};
    order_.emplace(until_ms, x);
  }

  void cancel() {
    if (auto i = any(); i != timers_.end()) {
      wheel_.cancel(i->second.id);
      forget(i);
    }
  }

  void move() {
    auto fresh = static_cast<item_id>(random_());
    auto i = any();
    if (i == timers_.end() || fresh == 0 || timers_.count(fresh) > 0)
      return;
    auto x = i->second;
    wheel_.moved(x.id, fresh);
    forget(i);
    timers_[fresh] = x;
    order_.emplace(x.until_ms, fresh);
  }

  void advance() {
    if (below(8) == 0)
      now_ = std::max<std::int64_t>(1, now_ - duration());
    else
      now_ += duration() >> below(20);
    if (now_ > start_ms + 30 * year_ms)
      now_ = start_ms;
    report(below(4) == 0 ? below(20) : plenty);
  }

  void report(std::size_t budget) {
    std::size_t reported = 0;
    auto left = wheel_.advance(now_, budget, [&](item_id x) {
      ++reported;
      auto i = timers_.find(x);
      CAF_REQUIRE(i != timers_.end());
      CAF_REQUIRE(i->second.until_ms <= now_);
      forget(i);
    });
    CAF_REQUIRE(reported + left <= budget);
    if (left > 0 && !order_.empty())
      CAF_REQUIRE(order_.begin()->first > now_ - timer_wheel::resolution_ms);
  }

  void forget(std::map<item_id, timer>::iterator i) {
    auto [first, last] = order_.equal_range(i->second.until_ms);
    while (first->second != i->first)
      CAF_REQUIRE(++first != last);
    order_.erase(first);
    timers_.erase(i);
  }

  std::mt19937 random_;
  timer_wheel wheel_;
  std::int64_t now_ = start_ms;
  std::map<item_id, timer> timers_;
  std::multimap<std::int64_t, item_id> order_;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(timer_wheel_tests, fixture)

CAF_TEST(nothing is due before its time or a tick after it) {
  for (std::int64_t ms : {1, 15, 16, 17, 1000, 60'000, 86'400'000}) {
    due(start_ms);
    wheel.schedule(7, start_ms + ms);
    CAF_CHECK(due(start_ms + ms - 1).empty());
    CAF_CHECK(due(start_ms + ms + timer_wheel::resolution_ms - 1) == items{7});
  }
}

CAF_TEST(what is over already is due at once) {
  due(start_ms);
  wheel.schedule(1, start_ms - 5000);
  wheel.schedule(2, 1);
  wheel.schedule(3, -1);
  CAF_CHECK(due(start_ms) == (items{1, 2, 3}));
}

CAF_TEST(entries without expiry get no timer and take no memory) {
  CAF_CHECK_EQUAL(wheel.schedule(1, 0), 0u);
  CAF_CHECK_EQUAL(wheel.schedule(1, timer_wheel::horizon_ms + 1), 0u);
  wheel.cancel(0);
  wheel.moved(0, 2);
  CAF_CHECK_EQUAL(wheel.size(), 0u);
  CAF_CHECK_EQUAL(wheel.bytes(), 0u);
}

CAF_TEST(cancelled timers are not reported and moved ones by their new name) {
  due(start_ms);
  auto a = wheel.schedule(1, start_ms + 100);
  auto b = wheel.schedule(2, start_ms + 100);
  wheel.cancel(a);
  wheel.moved(b, 0xFFFFFFFF);
  CAF_CHECK_EQUAL(wheel.size(), 1u);
  CAF_CHECK(due(start_ms + 1000) == items{0xFFFFFFFF});
  CAF_CHECK_EQUAL(wheel.size(), 0u);
}

CAF_TEST(a century ahead is neither lost nor early) {
  due(start_ms);
  // The year 2025 and 80 are still before 2109.
  wheel.schedule(1, start_ms + 80 * year_ms);
  wheel.schedule(2, timer_wheel::horizon_ms);
  for (int i = 1; i < 80; ++i)
    CAF_CHECK(due(start_ms + i * year_ms).empty());
  CAF_CHECK(due(start_ms + 80 * year_ms + 15) == items{1});
  CAF_CHECK(due(timer_wheel::horizon_ms - 1).empty());
  CAF_CHECK(due(timer_wheel::horizon_ms) == items{2});
}

CAF_TEST(the budget bounds a call and nothing waits when some is left) {
  due(start_ms);
  for (item_id x = 1; x <= 1000; ++x)
    wheel.schedule(x, start_ms + 10);
  std::size_t reported = 0;
  auto count = [&](item_id) { ++reported; };
  for (std::size_t i = 1; i <= 10; ++i) {
    CAF_CHECK_EQUAL(wheel.advance(start_ms + 100, 100, count), 0u);
    CAF_CHECK_EQUAL(reported, i * 100);
  }
  CAF_CHECK_EQUAL(wheel.advance(start_ms + 100, 100, count), 100u);
  CAF_CHECK_EQUAL(wheel.advance(start_ms + 100, 0, count), 0u);
}

CAF_TEST(a jump forward costs its timers and not its ticks) {
  due(start_ms);
  // From seconds to decades: all levels.
  for (item_id x = 1; x <= 1000; ++x)
    wheel.schedule(x, start_ms + 1000 + x * x * 1'000'000ll);
  std::size_t reported = 0;
  auto left = wheel.advance(start_ms + 50 * year_ms, 1001,
                            [&](item_id) { ++reported; });
  CAF_CHECK_EQUAL(reported, 1000u);
  CAF_CHECK_EQUAL(left, 1u);
}

CAF_TEST(timers fall a level at a time and six times at most) {
  due(start_ms);
  constexpr item_id n = 500;
  for (item_id x = 1; x <= n; ++x)
    wheel.schedule(x, start_ms + 30 * year_ms + x * 16);
  std::size_t spent = 0;
  std::size_t reported = 0;
  // Hours shorten towards the end, so that every level is gone through.
  auto end = start_ms + 30 * year_ms + n * 16 + 16;
  for (auto left = end - start_ms; left > 0; left /= 2)
    spent += plenty
             - wheel.advance(end - left, plenty, [&](item_id) { ++reported; });
  spent += plenty - wheel.advance(end, plenty, [&](item_id) { ++reported; });
  CAF_CHECK_EQUAL(reported, n);
  CAF_CHECK(spent <= 7 * n);
}

CAF_TEST(after a jump backward nothing is early) {
  due(start_ms);
  wheel.schedule(1, start_ms + 1000);
  wheel.schedule(2, start_ms + year_ms);
  due(start_ms + 900);
  CAF_CHECK(due(start_ms - 40 * year_ms).empty());
  wheel.schedule(3, start_ms - 40 * year_ms + 500);
  CAF_CHECK(due(start_ms - 40 * year_ms + 499).empty());
  CAF_CHECK(due(start_ms - 40 * year_ms + 515) == items{3});
  CAF_CHECK(due(start_ms + 999).empty());
  CAF_CHECK(due(start_ms + 1015) == items{1});
  CAF_CHECK(due(start_ms + year_ms - 1).empty());
  CAF_CHECK(due(start_ms + year_ms + 15) == items{2});
}

CAF_TEST(a report may schedule anew and cancel others) {
  due(start_ms);
  wheel.schedule(1, start_ms + 10);
  auto other = wheel.schedule(2, start_ms + 2000);
  items seen;
  auto f = [&](item_id x) {
    seen.push_back(x);
    if (x == 1) {
      wheel.cancel(other);
      wheel.schedule(3, start_ms + 20);
    }
  };
  wheel.advance(start_ms + 5000, plenty, f);
  CAF_CHECK(seen == (items{1, 3}));
}

CAF_TEST(a timer takes 16 bytes and the last one gives them back) {
  due(start_ms);
  constexpr item_id n = 100'000;
  for (item_id x = 1; x <= n; ++x)
    wheel.schedule(x, start_ms + x);
  // Two portions of 16 KiB are for the heads and for what is not yet full.
  CAF_CHECK(wheel.bytes() <= n * 16 + (32u << 10));
  CAF_CHECK_EQUAL(due(start_ms + n + 16).size(), n);
  CAF_CHECK_EQUAL(wheel.bytes(), 16u << 10);
}

CAF_TEST(random changes agree with an ordered map) {
  for (std::uint32_t seed : {1u, 2u, 3u, 20251u}) {
    CAF_MESSAGE("seed " << seed);
    model{seed}.run(20'000);
  }
}

CAF_TEST_FIXTURE_SCOPE_END()
