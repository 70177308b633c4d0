#define CAF_SUITE tiers.redis_store

#include "tiers/redis_store.hpp"

#include "tests/support/fake_server.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/topology.hpp"
#include "tiers/redis_script.hpp"

#include <caf/test/unit_test.hpp>

#include <optional>

using namespace terrace;

namespace {

using kind = selector::kind;
using test::fake_server;
using test::redis_server;

/// Time of all operations unless a test says otherwise.
constexpr std::int64_t now = 1'700'000'000'000;

constexpr std::int64_t hour = 3'600'000;

struct fixture {
  redis_options opts;
  std::shared_ptr<codec> coder = std::make_shared<codec>(compression_options{});
  std::shared_ptr<redis_figures> figures = std::make_shared<redis_figures>();
  std::optional<redis_server> server;
  std::optional<redis_store> store;

  /// Starts a server and connects to it.
  void start(std::vector<std::string> arguments = {}) {
    server.emplace(std::move(arguments));
    connect(server->url());
  }

  void connect(const std::string& url) {
    store.emplace(opts, test::make_topology(opts, url), coder, figures,
                  "terrace-test");
  }

  static entry make(std::string_view key, version_t version,
                    std::string_view value = "value",
                    std::int64_t expires_ms = 0,
                    std::vector<std::string> tags = {}) {
    return {qualify(0, key),
            {blob::copy(value), version, expires_ms, std::move(tags)}};
  }

  store_report put(const entry& x, bool if_absent = false,
                   std::int64_t at = now) {
    return store->put({&x, 1}, if_absent, at);
  }

  lookup find(std::string_view key, std::int64_t at = now) {
    std::string k = qualify(0, key);
    return store->fetch({&k, 1}, at).at(0);
  }

  remove_report remove(std::string_view key, version_t version) {
    removal x{qualify(0, key), version};
    return store->remove({&x, 1}, now);
  }

  std::uint64_t counter(const char* name) {
    counter_map all;
    figures->fill(all);
    return all[name];
  }
};

bool failed_with(const lookup& x, errc code) {
  return x.what == lookup::outcome::error && x.code == code;
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(redis_store_tests, fixture)

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

CAF_TEST(a guarded change is made only where nobody was faster) {
  using outcome = redis_store::swap_outcome;
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
  using outcome = redis_store::swap_outcome;
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
  using outcome = redis_store::swap_outcome;
  start();
  server->freeze();
  std::vector<guarded_change> xs{{make("a", 2), false, 0}};
  CAF_CHECK(store->swap_each(xs, now).at(0) == outcome::failed);
  CAF_CHECK(store->last_failure().code == errc::timeout);
  server->thaw();
}

CAF_TEST(what another node deleted is known to a guarded change) {
  using outcome = redis_store::swap_outcome;
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

// -- failures -----------------------------------------------------------------

CAF_TEST(a server that is not there is unavailable) {
  connect("unix:///nonexistent/redis.sock");
  CAF_CHECK(failed_with(find("a"), errc::unavailable));
  CAF_CHECK(store->last_failure().detail.find("No such file") == 0);
  auto report = put(make("a", 1));
  CAF_CHECK_EQUAL(report.failed, 1u);
  CAF_CHECK(report.why.code == errc::unavailable);
  CAF_CHECK(remove("a", 1).why.code == errc::unavailable);
  CAF_CHECK(!store->purge({}, 1, now));
  CAF_CHECK(!store->count(0));
  CAF_CHECK(!store->list(0, "*", "", 10, now));
  CAF_CHECK(!store->ping());
  CAF_CHECK_EQUAL(counter("error_unavailable"), 7u);
}

CAF_TEST(a refused port is unavailable) {
  std::string url;
  {
    fake_server once{"", false};
    url = once.url();
  }
  connect(url);
  CAF_CHECK(failed_with(find("a"), errc::unavailable));
  CAF_CHECK_EQUAL(store->last_failure().detail, "Connection refused");
}

CAF_TEST(a frozen server is a timeout for everything) {
  start();
  CAF_REQUIRE(store->ping());
  server->freeze();
  CAF_CHECK(failed_with(find("a"), errc::timeout));
  // The old connection is gone; a new one gets stuck as well.
  CAF_CHECK(put(make("a", 1)).why.code == errc::timeout);
  CAF_CHECK(remove("a", 1).why.code == errc::timeout);
  CAF_CHECK_EQUAL(counter("timeouts"), 3u);
  CAF_CHECK_EQUAL(counter("retries"), 0u);
  server->thaw();
  CAF_CHECK_EQUAL(put(make("a", 2)).stored, 1u);
  CAF_CHECK_EQUAL(find("a").data.version, 2u);
}

CAF_TEST(a batch is sent again when the server was restarted) {
  start();
  put(make("a", 1));
  server->kill();
  server->start();
  CAF_CHECK_EQUAL(put(make("b", 1)).stored, 1u);
  CAF_CHECK(find("b").hit());
  CAF_CHECK(find("a").what == lookup::outcome::miss);
  CAF_CHECK_EQUAL(counter("retries"), 1u);
  CAF_CHECK_EQUAL(counter("reconnects"), 1u);
}

CAF_TEST(a script that the server has lost is loaded again) {
  start();
  put(make("a", 1));
  server->run_command({"SCRIPT", "FLUSH"});
  CAF_CHECK_EQUAL(put(make("a", 2)).stored, 1u);
  CAF_CHECK_EQUAL(find("a").data.version, 2u);
}

CAF_TEST(a password opens the server and a wrong one is told apart) {
  server.emplace(std::vector<std::string>{"--requirepass", "s3c:ret"});
  connect(server->tcp_url());
  CAF_CHECK(failed_with(find("a"), errc::auth_failed));
  CAF_CHECK(store->last_failure().detail.starts_with("NOAUTH"));
  connect(server->tcp_url(":wrong@"));
  CAF_CHECK(failed_with(find("a"), errc::auth_failed));
  CAF_CHECK(store->last_failure().detail.starts_with("WRONGPASS"));
  connect(server->tcp_url(":s3c%3Aret@"));
  CAF_CHECK_EQUAL(put(make("a", 1)).stored, 1u);
  connect(server->tcp_url("default:s3c%3Aret@"));
  CAF_CHECK(find("a").hit());
}

CAF_TEST(the name of the connection is shown and the database is selected) {
  server.emplace();
  connect(server->url() + "?db=3");
  put(make("a", 1));
  CAF_CHECK(server->run_command({"CLIENT", "LIST"}).find("name=terrace-test")
            != std::string::npos);
  CAF_CHECK_EQUAL(server->run_command({"DBSIZE"}), "0");
  connect(server->url() + "?db=99");
  CAF_CHECK(failed_with(find("a"), errc::invalid_argument));
}

CAF_TEST(a server that is full says so and goes on reading) {
  start();
  put(make("a", 1));
  server->run_command({"CONFIG", "SET", "maxmemory", "1"});
  auto report = put(make("a", 2));
  CAF_CHECK(report.why.code == errc::no_space);
  CAF_CHECK(report.why.detail.starts_with("OOM"));
  CAF_CHECK(find("a").hit());
  CAF_CHECK_EQUAL(counter("reconnects"), 0u);
}

CAF_TEST(a replica is read only) {
  start();
  put(make("a", 1));
  server->run_command({"CONFIG", "SET", "replica-serve-stale-data", "yes"});
  server->run_command({"REPLICAOF", "127.0.0.1", "1"});
  CAF_CHECK(put(make("a", 2)).why.code == errc::read_only);
  CAF_CHECK(find("a").hit());
  server->run_command({"CONFIG", "SET", "replica-serve-stale-data", "no"});
  CAF_CHECK(failed_with(find("a"), errc::unavailable));
  CAF_CHECK(store->last_failure().detail.starts_with("MASTERDOWN"));
}

CAF_TEST(a user without rights is told apart) {
  start();
  server->run_command({"ACL", "SETUSER", "default", "-mget"});
  CAF_CHECK(failed_with(find("a"), errc::auth_failed));
  CAF_CHECK(store->last_failure().detail.starts_with("NOPERM"));
}

CAF_TEST(a server with no room for clients is overloaded) {
  start();
  put(make("a", 1));
  server->run_command({"CONFIG", "SET", "maxclients", "1"});
  redis_store other{opts, test::make_topology(opts, server->url()), coder,
                    figures, "x"};
  CAF_CHECK(other.ping().error().code == errc::overloaded);
}

CAF_TEST(half a reply breaks the protocol) {
  fake_server odd{"+OK\r\n*1\r\n$100\r\nonly this", false};
  connect(odd.url());
  CAF_CHECK(failed_with(find("a"), errc::protocol_violation));
}

CAF_TEST(other protocols are recognized as such) {
  fake_server odd{"HTTP/1.1 400 Bad Request\r\n\r\n", true};
  connect(odd.url());
  CAF_CHECK(failed_with(find("a"), errc::protocol_violation));
}

CAF_TEST(a reply of the wrong kind breaks the protocol) {
  fake_server odd{"+OK\r\n:12\r\n", true};
  connect(odd.url());
  CAF_CHECK(failed_with(find("a"), errc::protocol_violation));
  CAF_CHECK_EQUAL(store->last_failure().detail, "unexpected reply to MGET");
}

CAF_TEST(a cluster is refused in plain words) {
  fake_server odd{"+OK\r\n-MOVED 1 127.0.0.1:7001\r\n", true};
  connect(odd.url());
  CAF_CHECK(failed_with(find("a"), errc::invalid_argument));
  CAF_CHECK_EQUAL(store->last_failure().detail, "MOVED 1 127.0.0.1:7001");
}

CAF_TEST(a server that only listens is a timeout) {
  fake_server silent{"", true};
  connect(silent.url());
  CAF_CHECK(failed_with(find("a"), errc::timeout));
}

CAF_TEST(error replies are translated by their first word) {
  auto code = [](std::string_view x) { return translate_redis_error(x).code; };
  CAF_CHECK(code("LOADING Redis is loading") == errc::unavailable);
  CAF_CHECK(code("WRONGPASS invalid") == errc::auth_failed);
  CAF_CHECK(code("ERR Client sent AUTH, but no password is set")
            == errc::auth_failed);
  CAF_CHECK(code("MISCONF Errors writing to the AOF") == errc::read_only);
  CAF_CHECK(code("ERR Error running script (call to f_1): @user_script:3: "
                 "@user_script: 3: -OOM command not allowed")
            == errc::no_space);
  CAF_CHECK(code("ERR unknown command 'EVALSHA'") == errc::protocol_violation);
  CAF_CHECK(code("") == errc::protocol_violation);
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
