// The in-process handle on a real node: real threads, real LMDB.

#define CAF_SUITE actors.cache

#include "actors/system.hpp"
#include "tests/support/temp_dir.hpp"

#include <caf/test/unit_test.hpp>

#include <atomic>
#include <latch>
#include <thread>

using namespace terrace;
using namespace std::chrono_literals;

namespace {

struct fixture {
  test::temp_dir folder;
  options opts;
  std::unique_ptr<node> uut;

  fixture() {
    opts.cache.chain = {"memory", "disk"};
    opts.node.shards = 4;
    opts.disk.path = folder.path();
    opts.resp.enabled = false;
    opts.http.enabled = false;
    opts.log.level = "error";
    start();
  }

  void start() {
    uut.reset();
    auto x = node::start(opts);
    if (!x)
      CAF_FAIL("cannot start: " << to_string(x.error()));
    uut = *std::move(x);
  }

  class cache handle(tenant_id tenant = 0) {
    return uut->cache(tenant);
  }

  /// What `get` finds, as text.
  static std::string text(const cache::get_result& x) {
    if (!x)
      return std::string{to_string(x.error().code)};
    return *x ? std::string{(*x)->view()} : "(miss)";
  }

  static std::uint64_t sum(const node_report& x, const std::string& name) {
    std::uint64_t result = 0;
    for (auto& actor : x.actors)
      if (auto i = actor.counters.find(name); i != actor.counters.end())
        result += i->second;
    return result;
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(cache_tests, fixture)

CAF_TEST(what is set is found until it is erased) {
  auto x = handle();
  CAF_CHECK_EQUAL(text(x.get("k")), "(miss)");
  CAF_REQUIRE(x.set("k", "v"));
  CAF_CHECK_EQUAL(text(x.get("k")), "v");
  CAF_CHECK(*x.contains("k"));
  CAF_CHECK(*x.erase("k"));
  CAF_CHECK(!*x.erase("k"));
  CAF_CHECK_EQUAL(text(x.get("k")), "(miss)");
}

CAF_TEST(batches answer in order) {
  auto x = handle();
  std::vector<named_value> xs;
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) {
    names.push_back("k" + std::to_string(i));
    if (i % 3 != 0)
      xs.push_back({names.back(), blob::copy(names.back())});
  }
  for (auto& ok : x.mset(xs))
    CAF_CHECK(ok);
  auto found = x.mget(names);
  CAF_REQUIRE_EQUAL(found.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i)
    CAF_CHECK_EQUAL(text(found[i]), i % 3 != 0 ? names[i] : "(miss)");
  CAF_CHECK_EQUAL(*x.erase(names), xs.size());
}

CAF_TEST(values are there again after a restart) {
  CAF_REQUIRE(handle().set("k", "v", {.tags = {"t"}}));
  start();
  auto x = handle();
  CAF_CHECK_EQUAL(text(x.get("k")), "v");
  auto report = *x.stats();
  CAF_CHECK_EQUAL(report.tiers[0].hits, 0u);
  CAF_CHECK_EQUAL(report.tiers[1].hits, 1u);
  // Now it is in memory; its tag came along.
  CAF_CHECK_EQUAL(text(x.get("k")), "v");
  auto removed = x.invalidate({selector::kind::tag, 0, "t"}, "test");
  CAF_REQUIRE(removed);
  CAF_CHECK(removed->removed == (counter_map{{"disk", 1}, {"memory", 1}}));
  CAF_CHECK_EQUAL(text(x.get("k")), "(miss)");
}

CAF_TEST(tenants do not see each other) {
  auto a = handle(1);
  auto b = a.with_tenant(2);
  CAF_REQUIRE(a.set("k", "a"));
  CAF_REQUIRE(b.set("k", "b"));
  CAF_REQUIRE(a.clear());
  CAF_CHECK_EQUAL(text(a.get("k")), "(miss)");
  CAF_CHECK_EQUAL(text(b.get("k")), "b");
}

CAF_TEST(an expiry can be set and taken away) {
  auto x = handle();
  CAF_CHECK(!*x.expire("k", 1h));
  CAF_REQUIRE(x.set("k", "v", {.ttl = 1h}));
  CAF_CHECK(*x.expire("k", 2h));
  CAF_CHECK(*x.expire("k", 0ms));
  CAF_CHECK(*x.expire("k", 0ms));
}

CAF_TEST(one of many threads loads) {
  auto x = handle();
  std::atomic<int> loads{0};
  std::atomic<int> right{0};
  std::latch all_there{16};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&] {
      all_there.arrive_and_wait();
      auto value = x.get_or_load("k", [&]() -> expected<blob> {
        ++loads;
        return blob::copy("loaded");
      });
      if (value && value->view() == "loaded")
        ++right;
    });
  for (auto& t : threads)
    t.join();
  CAF_CHECK_EQUAL(loads.load(), 1);
  CAF_CHECK_EQUAL(right.load(), 16);
}

CAF_TEST(a loader that throws is an error and not remembered) {
  auto x = handle();
  auto bad = x.get_or_load("k", []() -> expected<blob> {
    throw std::runtime_error("boom");
  });
  CAF_REQUIRE(!bad);
  CAF_CHECK(bad.error() == (failure{errc::loader_failed, "boom"}));
  auto good = x.get_or_load("k",
                            []() -> expected<blob> { return blob::copy("v"); });
  CAF_CHECK(good);
}

CAF_TEST(a loader may use the cache itself) {
  auto x = handle();
  auto value = x.get_or_load("outer", [&]() -> expected<blob> {
    return x.get_or_load("inner", [] { return expected{blob::copy("v")}; });
  });
  CAF_REQUIRE(value);
  CAF_CHECK_EQUAL(value->view(), "v");
}

CAF_TEST(a hit in memory sends no message) {
  auto x = handle();
  CAF_REQUIRE(x.set("k", "v"));
  auto before = sum(*x.stats(), "fetched_keys");
  for (int i = 0; i < 1000; ++i)
    CAF_CHECK_EQUAL(text(x.get("k")), "v");
  CAF_CHECK_EQUAL(sum(*x.stats(), "fetched_keys"), before);
  // Nor does it need an actor: there is none any more.
  uut->stop();
  CAF_CHECK_EQUAL(text(x.get("k")), "v");
  CAF_CHECK_EQUAL(text(x.get("other")), "shutting_down");
  CAF_CHECK(x.set("k", "w").error().code == errc::shutting_down);
  CAF_CHECK(x.stats().error().code == errc::shutting_down);
}

CAF_TEST(futures and callbacks bring the same answers) {
  auto x = handle();
  CAF_CHECK(x.set_async("k", blob::copy("v")).get());
  CAF_CHECK_EQUAL(text(x.get_async("k").get()), "v");
  CAF_CHECK_EQUAL(text(x.get_async("absent").get()), "(miss)");
  std::promise<std::string> called;
  x.get("absent", [&](cache::get_result r) { called.set_value(text(r)); });
  CAF_CHECK_EQUAL(called.get_future().get(), "(miss)");
}

CAF_TEST(figures partition the requests of several threads) {
  auto x = handle();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        auto key = "k" + std::to_string((i * 7 + t) % 300);
        if (i % 5 == 0)
          static_cast<void>(x.set(key, "v"));
        else if (i % 31 == 0)
          static_cast<void>(x.erase(key));
        else
          static_cast<void>(x.get(key));
      }
    });
  for (auto& t : threads)
    t.join();
  auto report = *x.stats();
  for (auto& tier : report.tiers)
    CAF_CHECK_EQUAL(tier.hits + tier.misses + tier.errors, tier.lookups);
  CAF_CHECK_EQUAL(report.request_hits + report.request_misses
                    + report.request_errors,
                  report.requests);
  // 2000 rounds: 400 writes, 52 erasures (multiples of 31 but not of 5), in
  // each of four threads; the rest are reads.
  CAF_CHECK_EQUAL(report.requests, 4u * (2000 - 400 - 52));
  CAF_CHECK_EQUAL(report.tiers[0].lookups, report.requests);
}

CAF_TEST(keys and values past the limits are refused) {
  opts.cache.max_key_size = 10;
  opts.cache.max_value_size = 10;
  start();
  auto x = handle();
  CAF_CHECK(x.set(std::string(11, 'k'), "v").error().code == errc::too_large);
  CAF_CHECK(x.set("k", std::string(11, 'v')).error().code == errc::too_large);
  CAF_CHECK(x.set("k", std::string(10, 'v')));
}

CAF_TEST_FIXTURE_SCOPE_END()
