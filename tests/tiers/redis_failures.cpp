// The Redis engine on servers that fail, refuse, or are none.
#define CAF_SUITE tiers.redis_failures

#include "tests/support/fake_server.hpp"
#include "tests/support/redis_store_fixture.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;
using namespace terrace::test;

CAF_TEST_FIXTURE_SCOPE(redis_failures_tests, redis_store_fixture)

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

CAF_TEST_FIXTURE_SCOPE_END()
