// Changes that are made only if nobody was faster.
#define CAF_SUITE tiers.redis_guards

#include "tests/support/redis_store_fixture.hpp"
#include "tiers/redis_script.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;
using namespace terrace::test;

using outcome = redis_store::swap_outcome;

CAF_TEST_FIXTURE_SCOPE(redis_guards_tests, redis_store_fixture)

CAF_TEST(a guarded change is made only where nobody was faster) {
  start();
  auto swap = [&](entry x, version_t seen) {
    guarded_change change{std::move(x), false, seen};
    return store->swap_each({&change, 1}, now).at(0);
  };
  auto swap_out = [&](version_t version, version_t seen) {
    guarded_change change{make("k", version, ""), true, seen};
    return store->swap_each({&change, 1}, now).at(0);
  };
  CAF_CHECK(swap_out(4, 3) == outcome::lost);
  CAF_CHECK(swap(make("k", 5, "a"), 0) == outcome::made);
  CAF_CHECK(swap(make("k", 6, "b"), 0) == outcome::lost);
  CAF_CHECK(swap(make("k", 6, "b"), 4) == outcome::lost);
  CAF_CHECK(find("k").data.value == blob::copy("a"));
  CAF_CHECK(swap(make("k", 6, "b"), 5) == outcome::made);
  // Another node may have given the same version.
  CAF_CHECK(swap(make("k", 6, "c"), 5) == outcome::lost);
  CAF_CHECK(find("k").data.value == blob::copy("b"));
  CAF_CHECK(swap_out(7, 5) == outcome::lost);
  CAF_CHECK(swap_out(7, 6) == outcome::made);
  CAF_CHECK(!find("k").hit());
  // What has expired is not there.
  CAF_CHECK(swap(make("k", 8, "c", now + hour), 0) == outcome::made);
  guarded_change later{make("k", 9, "d", now + 3 * hour), false, 0};
  CAF_CHECK(store->swap_each({&later, 1}, now + 2 * hour).at(0)
            == outcome::made);
  // Nor what the caller knows to be stale.
  guarded_change over{make("k", 12, "e"), false, 0};
  over.hidden = 8;
  CAF_CHECK(store->swap_each({&over, 1}, now).at(0) == outcome::lost);
  over.hidden = 9;
  CAF_CHECK(store->swap_each({&over, 1}, now).at(0) == outcome::made);
}

CAF_TEST(guarded changes in one batch are judged apart) {
  start();
  put(make("b", 1));
  std::vector<guarded_change> xs{{make("a", 2), false, 0},
                                 {make("b", 2), false, 0},
                                 {make("c", 2), false, 0},
                                 {make("b", 2, ""), true, 1}};
  CAF_CHECK(store->swap_each(xs, now)
            == (std::vector{outcome::made, outcome::lost, outcome::made,
                            outcome::made}));
  CAF_CHECK(find("a").hit() && !find("b").hit() && find("c").hit());
}

CAF_TEST(a guarded change that a server does not answer has failed) {
  start();
  server->freeze();
  std::vector<guarded_change> xs{{make("a", 2), false, 0}};
  CAF_CHECK(store->swap_each(xs, now).at(0) == outcome::failed);
  CAF_CHECK(store->last_failure().code == errc::timeout);
  server->thaw();
}

CAF_TEST(what another node deleted is known to a guarded change) {
  start();
  auto announcer = std::make_shared<redis_announcer>();
  announcer->node = "me";
  announcer->channel = "cache:invalidate";
  announcer->log_length = 100;
  store.emplace(opts, test::make_topology(opts, server->url()), coder, figures,
                "terrace-test", announcer);
  put(make("k", 5));
  remove("k", 7);
  guarded_change x{make("k", 9, "new"), false, 0, 5};
  CAF_CHECK(store->swap_each({&x, 1}, now).at(0) == outcome::lost);
  x.elsewhere = 8; // written since
  CAF_CHECK(store->swap_each({&x, 1}, now).at(0) == outcome::made);
  // What was lost is not announced, what was made is.
  CAF_CHECK_EQUAL(server->run_command({"XLEN", "terrace:log"}), "3");
}

CAF_TEST(a guarded change that was made is so when it is asked for again) {
  start();
  auto run = [&](std::string_view guard, std::string_view event,
                 std::string_view life, std::string_view bytes) {
    return server->run_command({"EVAL", redis_script, "1", "k", "0", guard,
                                event, "channel", "log", "100", "fences", "",
                                life, bytes});
  };
  const std::string none = "-0000000000000000";
  const std::string seen = "=0000000000000005";
  auto record = [](char version) {
    std::string result(24, '\0');
    result[0] = 'T';
    result[8] = version;
    return result;
  };
  auto name = [](char version) {
    return std::string(8, '\0') + version + std::string(7, '\0');
  };
  auto mine = R"({"node":"me","seq":1})";
  CAF_CHECK_EQUAL(run(none, mine, "0", record(5)), "s");
  CAF_CHECK_EQUAL(run(none, mine, "0", record(5)), "s");
  // Another node has given the same version.
  CAF_CHECK_EQUAL(run(none, R"({"node":"you","seq":1})", "0", record(5)), "r");
  auto away = R"({"node":"me","seq":2})";
  CAF_CHECK_EQUAL(run(seen, away, "-1", name(7)), "d");
  CAF_CHECK_EQUAL(run(seen, away, "-1", name(7)), "d");
  CAF_CHECK_EQUAL(run(seen, R"({"node":"you","seq":2})", "-1", name(7)), "r");
  CAF_CHECK_EQUAL(server->run_command({"XLEN", "log"}), "2");
}

CAF_TEST_FIXTURE_SCOPE_END()
