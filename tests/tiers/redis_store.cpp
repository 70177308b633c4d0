// The Redis engine on a real server: names, versions, what others left there.
// Failures are in redis_failures.cpp, guarded changes in redis_guards.cpp.
#define CAF_SUITE tiers.redis_store

#include "tests/support/redis_store_fixture.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;
using namespace terrace::test;

using kind = selector::kind;

CAF_TEST_FIXTURE_SCOPE(redis_store_tests, redis_store_fixture)

// -- names, format, expiry ----------------------------------------------------

CAF_TEST(entries stand under prefix tenant and key) {
  opts.prefix = "p[*]:";
  start();
  auto x = make("a:b", 7);
  x.key = qualify(513, "a:b");
  CAF_CHECK_EQUAL(put(x).stored, 1u);
  CAF_CHECK_EQUAL(server->run_command({"KEYS", "*"}), "p[*]:513:a:b");
  auto bytes = server->run_command({"GET", "p[*]:513:a:b"});
  auto data = coder->decode(x.key, bytes);
  CAF_REQUIRE(data);
  CAF_CHECK(*data == x.data);
}

CAF_TEST(redis forgets an entry with its own life or with the longest one) {
  opts.max_ttl = milliseconds{hour};
  start();
  put(make("short", 1, "v", now + 60'000));
  put(make("long", 1, "v", now + 24 * hour));
  put(make("endless", 1));
  auto life = [&](std::string_view name) {
    return std::stol(server->run_command({"PTTL", name}));
  };
  CAF_CHECK(life("terrace:0:short") > 50'000);
  CAF_CHECK(life("terrace:0:short") <= 60'000);
  CAF_CHECK(life("terrace:0:long") > hour - 10'000);
  CAF_CHECK(life("terrace:0:long") <= hour);
  CAF_CHECK(life("terrace:0:endless") <= hour);
  // What a reader gets is the entry's own expiry.
  CAF_CHECK_EQUAL(find("long").data.expires_ms, now + 24 * hour);
}

CAF_TEST(without a longest life and expiry an entry stays) {
  opts.max_ttl = milliseconds{0};
  start();
  put(make("endless", 1));
  put(make("absurd", 1, "v", std::numeric_limits<std::int64_t>::max()));
  CAF_CHECK_EQUAL(server->run_command({"PTTL", "terrace:0:endless"}), "-1");
  CAF_CHECK_EQUAL(server->run_command({"PTTL", "terrace:0:absurd"}), "-1");
  CAF_CHECK(find("absurd").hit());
}

// -- versions -----------------------------------------------------------------

CAF_TEST(versions are compared in all their bits) {
  start();
  // Doubles cannot tell these apart: they differ in the last of 64 bits.
  constexpr version_t high = (version_t{1} << 63) + 1;
  CAF_CHECK_EQUAL(put(make("a", high)).stored, 1u);
  CAF_CHECK_EQUAL(put(make("a", high - 1)).refused, 1u);
  CAF_CHECK_EQUAL(put(make("a", high)).stored, 1u);
  CAF_CHECK_EQUAL(put(make("a", 0xffffffff)).refused, 1u);
  CAF_CHECK_EQUAL(find("a").data.version, high);
}

CAF_TEST(an entry that is too large takes its predecessor with it) {
  opts.max_value_size = 10;
  start();
  put(make("a", 5));
  CAF_CHECK_EQUAL(put(make("a", 4, "far too large")).refused, 1u);
  CAF_CHECK(find("a").hit());
  CAF_CHECK_EQUAL(put(make("a", 6, "far too large"), true).refused, 1u);
  CAF_CHECK(find("a").hit());
  CAF_CHECK_EQUAL(put(make("a", 6, "far too large")).refused, 1u);
  CAF_CHECK(find("a").what == lookup::outcome::miss);
}

CAF_TEST(large batches go through in several pipelines) {
  opts.max_batch = 300;
  start();
  entries xs;
  keys names;
  for (int i = 0; i < 1000; ++i) {
    xs.push_back(make("k" + std::to_string(i), 1, std::to_string(i)));
    names.push_back(xs.back().key);
  }
  CAF_CHECK_EQUAL(store->put(xs, false, now).stored, 1000u);
  auto found = store->fetch(names, now);
  CAF_REQUIRE_EQUAL(found.size(), 1000u);
  for (int i = 0; i < 1000; ++i)
    if (found[i].data.value.view() != std::to_string(i))
      CAF_FAIL("wrong value for " << i);
  auto n = store->count(0);
  CAF_REQUIRE(n);
  CAF_CHECK_EQUAL(*n, 1000u);
}

CAF_TEST(values of many megabytes go through) {
  start();
  std::string big(6 << 20, '\0');
  for (std::size_t i = 0; i < big.size(); ++i)
    big[i] = static_cast<char>(i * 2654435761u >> 13);
  entries xs;
  for (version_t i = 0; i < 4; ++i)
    xs.push_back(make("big" + std::to_string(i), 1, big));
  CAF_CHECK_EQUAL(store->put(xs, false, now).stored, 4u);
  CAF_CHECK(find("big3").data.value.view() == big);
}

// -- what others left in the server -------------------------------------------

CAF_TEST(bytes that are no record are an error of their key alone) {
  start();
  put(make("good", 1));
  server->run_command({"SET", "terrace:0:bad", "no record at all"});
  server->run_command({"LPUSH", "terrace:0:list", "x"});
  keys names{qualify(0, "bad"), qualify(0, "good"), qualify(0, "list")};
  auto found = store->fetch(names, now);
  CAF_CHECK(failed_with(found[0], errc::corrupt));
  CAF_CHECK(found[1].hit());
  CAF_CHECK(found[2].what == lookup::outcome::miss);
  CAF_CHECK(!store->last_failure());
  CAF_CHECK_EQUAL(counter("error_corrupt"), 1u);
}

CAF_TEST(a record under a wrong name is corrupt) {
  start();
  put(make("a", 1));
  server->run_command({"RENAME", "terrace:0:a", "terrace:0:b"});
  CAF_CHECK(failed_with(find("b"), errc::corrupt));
}

CAF_TEST(writes and removals replace what is no record) {
  start();
  server->run_command({"SET", "terrace:0:bad", "no record at all"});
  server->run_command({"LPUSH", "terrace:0:list", "x"});
  CAF_CHECK_EQUAL(put(make("bad", 1), true).stored, 1u);
  CAF_CHECK_EQUAL(put(make("list", 1)).stored, 1u);
  CAF_CHECK(find("bad").hit());
  CAF_CHECK(find("list").hit());
  server->run_command({"SET", "terrace:0:bad", "no record at all"});
  CAF_CHECK(remove("bad", 1).existed == std::vector<bool>{false});
  CAF_CHECK_EQUAL(server->run_command({"EXISTS", "terrace:0:bad"}), "0");
}

CAF_TEST(purges and lists leave strangers alone) {
  opts.prefix = "t";
  start();
  put(make("a", 1));
  for (auto name : {"t0:foreign", "tx:b", "t007:b", "t70000:b", "t0", "other"})
    server->run_command({"SET", name, "foreign"});
  auto page = store->list(0, "*", "", 1000, now);
  CAF_REQUIRE(page);
  CAF_CHECK(page->found == keys{qualify(0, "a")});
  auto n = store->purge({kind::all, 0, ""}, 100, now);
  CAF_REQUIRE(n);
  CAF_CHECK_EQUAL(*n, 1u);
  CAF_CHECK_EQUAL(server->run_command({"DBSIZE"}), "6");
}

CAF_TEST(a prefix with special characters selects only its own keys) {
  opts.prefix = "a*[b]?\\";
  start();
  put(make("k", 1));
  server->run_command({"SET", "aXb?0:k", "foreign"});
  auto page = store->list(0, "*", "", 1000, now);
  CAF_REQUIRE(page);
  CAF_CHECK_EQUAL(page->found.size(), 1u);
}

CAF_TEST(tags are found however many there are) {
  start();
  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i)
    many.push_back("a tag of some length " + std::to_string(i));
  put(make("many", 1, "v", 0, many));
  put(make("few", 1, "v", 0, {"red"}));
  put(make("none", 1));
  auto n = store->purge({kind::tag, 0, many.back()}, 5, now);
  CAF_REQUIRE(n);
  CAF_CHECK_EQUAL(*n, 1u);
  CAF_CHECK(find("few").hit());
  n = store->purge({kind::tag, 0, "red"}, 5, now);
  CAF_REQUIRE(n);
  CAF_CHECK_EQUAL(*n, 1u);
  CAF_CHECK(find("none").hit());
}

CAF_TEST(a purge can be taken in steps) {
  start();
  entries xs;
  for (int i = 0; i < 500; ++i)
    xs.push_back(make("k" + std::to_string(i), 1));
  store->put(xs, false, now);
  std::uint64_t removed = 0;
  std::size_t steps = 0;
  redis_store::purge_page page{0, "", false, {}};
  while (!page.done) {
    auto x = store->purge_step({kind::tenant, 0, ""}, 1, page.next, 50, now);
    CAF_REQUIRE(x);
    page = *x;
    removed += page.removed;
    ++steps;
  }
  CAF_CHECK_EQUAL(removed, 500u);
  CAF_CHECK(steps > 5);
}

CAF_TEST(a cursor that is none is refused) {
  start();
  auto page = store->list(0, "*", "12; FLUSHALL", 10, now);
  CAF_REQUIRE(!page);
  CAF_CHECK(page.error().code == errc::invalid_argument);
}

// -- figures ------------------------------------------------------------------

CAF_TEST(the server describes itself) {
  start({"--maxmemory", "50mb"});
  put(make("a", 1));
  tier_status x;
  store->describe(x);
  CAF_CHECK(x.tier == tier_kind::redis);
  CAF_CHECK_EQUAL(x.extra["server_keys"], 1u);
  CAF_CHECK_EQUAL(x.extra["server_max_memory_bytes"], 50u << 20);
  CAF_CHECK(x.extra["server_memory_bytes"] > 0);
  CAF_CHECK_EQUAL(x.extra.count("server_evictions"), 1u);
}

CAF_TEST_FIXTURE_SCOPE_END()
