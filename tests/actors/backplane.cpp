// Nodes that share a real Redis, and what they hear from each other.

#define CAF_SUITE actors.backplane

#include "tests/support/shared_redis.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;
using namespace terrace::test;
using namespace std::chrono_literals;

namespace {

struct fixture {
  redis_server server;
  shared_node a{server, true, 1};
  shared_node b{server, true, 2};

  /// Both hold `key` with this value in memory.
  void share(std::string_view key, std::string_view value,
             const set_options& opts = {}) {
    CAF_REQUIRE(a.cache().set(key, value, opts));
    CAF_REQUIRE(b.catches_up());
    // A busy machine may miss a time limit.
    CAF_REQUIRE(becomes(b, key, value));
  }

  void publish(std::string_view message) {
    server.run_command({"PUBLISH", "cache:invalidate", message});
  }

  bool becomes(shared_node& x, std::string_view key, std::string_view value) {
    return eventually([&] { return x.get(key) == value; });
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(backplane_tests, fixture)

CAF_TEST(a write is seen by the other node) {
  share("k", "old");
  CAF_REQUIRE(a.cache().set("k", "new"));
  CAF_CHECK(becomes(b, "k", "new"));
  CAF_REQUIRE(b.cache().set("k", "newer"));
  CAF_CHECK(becomes(a, "k", "newer"));
  CAF_CHECK(b.figure("events") >= 1);
  CAF_CHECK_EQUAL(b.figure("peers"), 1u);
}

CAF_TEST(a deletion is seen by the other node and its disk) {
  share("k", "old");
  CAF_REQUIRE(a.cache().erase("k"));
  CAF_CHECK(becomes(b, "k", "(miss)"));
  CAF_REQUIRE(b.catches_up());
  CAF_CHECK_EQUAL(b.get("k"), "(miss)");
}

CAF_TEST(an invalidation by tag is seen by the other node) {
  share("k1", "x", {.tags = {"red"}});
  share("k2", "x", {.tags = {"blue"}});
  CAF_REQUIRE(a.cache().invalidate({selector::kind::tag, 0, "red"}, "test"));
  CAF_CHECK(becomes(b, "k1", "(miss)"));
  CAF_CHECK_EQUAL(b.get("k2"), "x");
}

CAF_TEST(what another program publishes is forgotten everywhere) {
  share("k", "old");
  share("m", "old");
  publish("no event");
  publish(R"({"key":"k","reason":"changed at the source"})");
  CAF_CHECK(becomes(a, "k", "(miss)"));
  CAF_CHECK(becomes(b, "k", "(miss)"));
  CAF_CHECK_EQUAL(server.run_command({"EXISTS", "terrace:0:k"}), "0");
  CAF_CHECK_EQUAL(a.get("m"), "old");
  CAF_CHECK_EQUAL(a.figure("malformed_messages"), 1u);
}

CAF_TEST(what strangers do to entries is noticed where that is wanted) {
  b.opts.backplane.tracking = true;
  b.start();
  CAF_REQUIRE(b.catches_up());
  share("deleted", "x");
  share("spoilt", "x");
  share("renamed", "x");
  share("kept", "x");
  server.run_command({"DEL", "terrace:0:deleted"});
  server.run_command({"SET", "terrace:0:spoilt", "no record"});
  server.run_command({"RENAME", "terrace:0:renamed", "elsewhere"});
  server.run_command({"SET", "other", "x"});
  CAF_CHECK(becomes(b, "deleted", "(miss)"));
  CAF_CHECK(eventually([&] { return b.get("spoilt") != "x"; }));
  CAF_CHECK(becomes(b, "renamed", "(miss)"));
  CAF_CHECK_EQUAL(b.get("kept"), "x");
  CAF_CHECK_EQUAL(a.get("deleted"), "x"); // it does not want it
  CAF_CHECK(b.figure("strange_changes") >= 3);
  // What a node writes itself stays in its memory.
  auto before = b.figure("forgotten", "coordinator.0");
  for (int i = 0; i < 100; ++i)
    CAF_REQUIRE(b.cache().set("own" + std::to_string(i), "x"));
  CAF_CHECK(eventually([&] { return b.figure("tracked_changes") >= 100; }));
  CAF_CHECK(b.figure("forgotten", "coordinator.0") < before + 50);
  server.run_command({"FLUSHDB"});
  CAF_CHECK(becomes(b, "kept", "(miss)"));
}

CAF_TEST(after an interruption changes by strangers are not taken for none) {
  b.opts.backplane.tracking = true;
  b.start();
  share("k", "x");
  b.proxy.set(partition_proxy::state::closed);
  CAF_CHECK(eventually([&] { return b.figure("in_touch") == 0; }));
  server.run_command({"DEL", "terrace:0:k"});
  CAF_CHECK_EQUAL(b.get("k"), "x");
  b.proxy.set(partition_proxy::state::open);
  CAF_CHECK(becomes(b, "k", "(miss)"));
}

CAF_TEST(what was missed while out of touch is made up for) {
  share("k", "old");
  b.proxy.set(partition_proxy::state::closed);
  CAF_REQUIRE(a.cache().set("k", "new"));
  CAF_CHECK_EQUAL(b.get("k"), "old");
  // Its gauge says so.
  CAF_CHECK(eventually([&] { return b.running->staleness() > 200ms; }));
  CAF_CHECK_EQUAL(b.get("k"), "old");
  b.proxy.set(partition_proxy::state::open);
  CAF_CHECK(becomes(b, "k", "new"));
  CAF_CHECK(b.catches_up());
  CAF_CHECK_EQUAL(b.figure("drops"), 1u); // the first start, with a disk
}

CAF_TEST(what others changed while a node was down is made up for) {
  share("k", "old");
  share("kept", "x");
  // The place in the log is on disk once it was read again.
  auto place = b.opts.disk.path + "/backplane.place";
  CAF_REQUIRE(eventually([&] { return std::filesystem::exists(place); }));
  b.running.reset();
  CAF_REQUIRE(a.cache().erase("k"));
  b.start();
  CAF_REQUIRE(b.catches_up());
  CAF_CHECK_EQUAL(b.get("k"), "(miss)");
  CAF_CHECK_EQUAL(b.get("kept"), "x");
  CAF_CHECK_EQUAL(b.figure("drops"), 0u);
}

CAF_TEST(a log that does not reach back far enough costs what is held) {
  share("k", "old");
  b.proxy.set(partition_proxy::state::closed);
  CAF_REQUIRE(a.cache().erase("k"));
  server.run_command({"XTRIM", "terrace:log", "MAXLEN", "0"});
  CAF_REQUIRE(a.cache().set("other", "x"));
  b.proxy.set(partition_proxy::state::open);
  CAF_CHECK(becomes(b, "k", "(miss)"));
  CAF_CHECK(b.catches_up());
  CAF_CHECK_EQUAL(b.figure("drops"), 2u);
}

CAF_TEST(a log that is gone costs what is held) {
  share("k", "old");
  b.proxy.set(partition_proxy::state::closed);
  CAF_REQUIRE(a.cache().erase("k"));
  server.run_command({"DEL", "terrace:log"});
  CAF_REQUIRE(a.cache().set("other", "x"));
  b.proxy.set(partition_proxy::state::open);
  CAF_CHECK(becomes(b, "k", "(miss)"));
  CAF_CHECK(b.catches_up());
  CAF_CHECK_EQUAL(b.figure("drops"), 2u);
}

CAF_TEST(a Redis that restarts empty costs nothing) {
  share("k", "x");
  server.kill();
  CAF_CHECK_EQUAL(a.get("k"), "x");
  server.start();
  CAF_CHECK(a.catches_up());
  CAF_CHECK(b.catches_up());
  CAF_CHECK_EQUAL(a.get("k"), "x");
  CAF_CHECK_EQUAL(b.get("k"), "x");
  CAF_CHECK_EQUAL(b.figure("drops"), 1u);
  CAF_REQUIRE(a.cache().set("k", "new"));
  CAF_CHECK(becomes(b, "k", "new"));
}

CAF_TEST(a restart keeps what the node wrote last) {
  share("k", "old");
  auto place = a.opts.disk.path + "/backplane.place";
  CAF_REQUIRE(eventually([&] { return std::filesystem::exists(place); }));
  CAF_REQUIRE(a.cache().set("k", "new"));
  a.running.reset();
  server.kill();
  a.start();
  CAF_CHECK_EQUAL(a.get("k"), "new");
  server.start();
  CAF_REQUIRE(a.catches_up());
  CAF_CHECK_EQUAL(a.get("k"), "new");
  CAF_CHECK_EQUAL(a.figure("drops"), 0u);
}

CAF_TEST(lost events are noticed by the next beat) {
  share("k", "old");
  b.proxy.meddle(1); // every message is lost
  CAF_REQUIRE(a.cache().set("k", "new"));
  CAF_CHECK(becomes(b, "k", "new"));
}

CAF_TEST(an old copy on disk is not given back to Redis) {
  share("k", "old");
  b.proxy.meddle(1);
  // Both tiers of b still have it when it is deleted; b asks at once.
  CAF_REQUIRE(a.cache().erase("k"));
  b.get("k");
  b.proxy.meddle(0);
  CAF_REQUIRE(b.catches_up());
  CAF_CHECK_EQUAL(server.run_command({"EXISTS", "terrace:0:k"}), "0");
  CAF_CHECK_EQUAL(a.get("k"), "(miss)");
}

CAF_TEST(a node that leaves no longer counts) {
  share("k", "x");
  CAF_REQUIRE_EQUAL(b.figure("peers"), 1u);
  a.running.reset();
  CAF_CHECK(eventually([&] { return b.figure("peers") == 0; }));
  CAF_CHECK(b.catches_up());
}

CAF_TEST(past the bound of what was missed all nodes forget) {
  a.opts.redis.max_missed = 10;
  a.start();
  for (int i = 0; i < 20; ++i)
    share("k" + std::to_string(i), "old");
  a.proxy.set(partition_proxy::state::closed);
  for (int i = 0; i < 20; ++i)
    CAF_REQUIRE(a.cache().set("k" + std::to_string(i), "new"));
  CAF_CHECK_EQUAL(b.get("k3"), "old");
  a.proxy.set(partition_proxy::state::open);
  CAF_REQUIRE(a.catches_up());
  CAF_REQUIRE(eventually([&] {
    return server.run_command({"EXISTS", "terrace:0:k3"}) == "0";
  }));
  CAF_REQUIRE(b.catches_up());
  for (int i = 0; i < 20; ++i)
    CAF_CHECK_NOT_EQUAL(b.get("k" + std::to_string(i)), "old");
}

CAF_TEST_FIXTURE_SCOPE_END()
