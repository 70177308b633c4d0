// The RESP face over real sockets, with coordinators that the test controls.

#define CAF_SUITE actors.resp_gateway

#include "tests/support/gateway_fixture.hpp"
#include "tests/support/resp_client.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using namespace terrace;
using namespace terrace::test;

namespace {

using client = resp_client;
using lines = std::vector<std::string>;

} // namespace

CAF_TEST_FIXTURE_SCOPE(resp_gateway_tests, gateway_fixture)

CAF_TEST(hits are answered without a message) {
  remember("k", "hello");
  client c{start()};
  c.check("get k\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
          "$5\r\nhello\r\n$5\r\nhello\r\n");
  CAF_CHECK(back->take_log().empty());
}

CAF_TEST(what one read brings becomes few messages) {
  client c{start()};
  std::string sets, gets, oks, nulls;
  for (int i = 0; i < 10; ++i) {
    auto key = std::to_string(i);
    sets += "*3\r\n$3\r\nSET\r\n$1\r\n" + key + "\r\n$1\r\nv\r\n";
    gets += "*2\r\n$3\r\nGET\r\n$1\r\n" + key + "\r\n";
    oks += "+OK\r\n";
    nulls += "$-1\r\n";
  }
  c.check(gets, nulls);
  c.check(sets, oks);
  auto log = back->take_log();
  CAF_CHECK(
    log == lines({"fetch 0 1 2 3 4 5 6 7 8 9", "apply 0 1 2 3 4 5 6 7 8 9"}));
}

CAF_TEST(replies keep the order of the requests) {
  remember("hit", "x");
  client c{start()};
  back->hold = true;
  c.send("get miss\r\nping\r\nget hit\r\nset k v\r\nping\r\n");
  back->wait_for_held(2);
  release();
  CAF_CHECK_EQUAL(c.receive(31), "$-1\r\n+PONG\r\n$1\r\nx\r\n+OK\r\n+PONG\r\n");
  CAF_CHECK(back->take_log() == lines({"fetch miss", "apply k"}));
}

CAF_TEST(a connection reads what it has written) {
  client c{start()};
  back->hold = true;
  c.send("set k 1\r\nget k\r\nset k 2\r\nget k\r\n");
  back->wait_for_held(1);
  release();
  CAF_CHECK_EQUAL(c.receive(24), "+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n");
}

CAF_TEST(a failed coordinator is an error and not a miss) {
  client c{start()};
  back->fail = errc::shutting_down;
  c.check("get k\r\n", "-ERR The node is shutting down.\r\n");
  c.check("set k v\r\n", "-ERR The node is shutting down.\r\n");
  CAF_CHECK_EQUAL(counter("requests"), 1u);
  CAF_CHECK_EQUAL(counter("request_errors"), 1u);
  CAF_CHECK_EQUAL(counter("request_misses"), 0u);
}

CAF_TEST(requests arrive in any pieces) {
  client c{start()};
  std::string value(300'000, 'x');
  auto input = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$300000\r\n" + value + "\r\n";
  for (std::size_t at = 0; at < input.size(); at += 10'007)
    c.send(std::string_view{input}.substr(at, 10'007));
  CAF_CHECK_EQUAL(c.receive(5), "+OK\r\n");
  c.send("get k\r\n");
  CAF_CHECK(c.bulk() == value + "\r\n");
}

CAF_TEST(protocol errors are answered and end the connection) {
  client c{start()};
  c.check("ping\r\n*1\r\n$-5\r\nping\r\n",
          "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n");
  CAF_CHECK(c.closed());
  CAF_CHECK_EQUAL(counter("protocol_errors"), 1u);
}

CAF_TEST(QUIT is answered and ends the connection) {
  client c{start()};
  c.check("quit\r\nping\r\n", "+OK\r\n");
  CAF_CHECK(c.closed());
}

CAF_TEST(clients beyond the limit are told so) {
  opts->resp.max_clients = 2;
  auto port = start();
  auto first = std::make_unique<client>(port);
  client second{port};
  first->check("ping\r\n", "+PONG\r\n");
  second.check("ping\r\n", "+PONG\r\n");
  client third{port};
  CAF_CHECK_EQUAL(third.receive(36), "-ERR max number of clients reached\r\n");
  CAF_CHECK(third.closed());
  CAF_CHECK_EQUAL(counter("rejected"), 1u);
  CAF_CHECK_EQUAL(counter("connections"), 2u);
  // A client that is told to leave makes room for another.
  first->check("quit\r\n", "+OK\r\n");
  CAF_CHECK(first->closed());
  first.reset();
  while (counter("connections") > 1) {
    // asks again until the server has seen the end
  }
  client fourth{port};
  fourth.check("ping\r\n", "+PONG\r\n");
}

CAF_TEST(a slow reader costs no more than the limit) {
  opts->resp.output_soft_limit = 1 << 20;
  std::string value(1 << 20, 'x');
  remember("k", value);
  auto port = start();
  client slow{port};
  std::string input;
  for (int i = 0; i < 200; ++i)
    input += "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
  slow.send(input);
  client other{port};
  other.check("ping\r\n", "+PONG\r\n");
  // What waits for the slow one: at most the limit and one value.
  other.send("client list\r\n");
  auto list = other.bulk();
  auto at = list.find(" omem=");
  CAF_REQUIRE(at != std::string::npos);
  CAF_CHECK_LESS(std::stoul(list.substr(at + 6)), (2u << 20) + 1000);
  for (int i = 0; i < 200; ++i)
    CAF_REQUIRE_EQUAL(slow.bulk().size(), value.size() + 2);
  slow.check("ping\r\n", "+PONG\r\n");
}

CAF_TEST(a reader that takes nothing is disconnected) {
  std::string value(4 << 20, 'x');
  remember("k", value);
  auto port = start();
  client slow{port};
  client other{port};
  slow.send("get k\r\nget k\r\nget k\r\nget k\r\n");
  other.check("ping\r\n", "+PONG\r\n");
  tick();
  CAF_CHECK_EQUAL(counter("output_limit_disconnects"), 0u);
  now += opts->resp.output_stall.count() + 1;
  tick();
  CAF_CHECK_EQUAL(counter("output_limit_disconnects"), 1u);
  other.check("ping\r\n", "+PONG\r\n");
}

CAF_TEST(replies past the hard limit end the connection) {
  opts->resp.output_hard_limit = 8 << 20;
  remember("k", std::string(4 << 20, 'x'));
  client c{start()};
  c.send("mget k k k k k k k k\r\n");
  while (counter("output_limit_disconnects") == 0) {
    // asks again until the reply was made
  }
  CAF_CHECK_EQUAL(counter("output_limit_disconnects"), 1u);
}

CAF_TEST(silent clients are disconnected) {
  opts->resp.idle_timeout = std::chrono::seconds{10};
  auto port = start();
  client silent{port};
  silent.check("ping\r\n", "+PONG\r\n");
  now += 6'000;
  client busy{port};
  busy.check("ping\r\n", "+PONG\r\n");
  now += 6'000;
  tick();
  CAF_CHECK(silent.closed());
  busy.check("ping\r\n", "+PONG\r\n");
  CAF_CHECK_EQUAL(counter("idle_disconnects"), 1u);
}

CAF_TEST(passwords guard a connection and its limits) {
  opts->resp.password = "secret";
  auto port = start();
  client c{port};
  c.check("get k\r\nauth wrong\r\n",
          "-NOAUTH Authentication required.\r\n"
          "-WRONGPASS invalid username-password pair or user is "
          "disabled.\r\n");
  c.check("*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*1\r\n$4\r\nPING\r\n",
          "+OK\r\n+PONG\r\n");
  CAF_CHECK_EQUAL(counter("auth_failures"), 1u);
  client stranger{port};
  stranger.check("*11\r\n",
                 "-ERR Protocol error: unauthenticated multibulk length\r\n");
  CAF_CHECK(stranger.closed());
}

CAF_TEST(a late answer does not reach the next client) {
  auto port = start();
  back->hold = true;
  {
    client gone{port};
    gone.send("get a\r\nset b c\r\n");
    back->wait_for_held(2);
  }
  while (counter("connections") > 0) {
    // asks again until the server has seen the end
  }
  client next{port}; // has the same descriptor
  next.check("ping\r\n", "+PONG\r\n");
  release();
  next.check("get d\r\nping\r\n", "$-1\r\n+PONG\r\n");
}

CAF_TEST(other actors do their work between the requests) {
  client c{start()};
  c.check("set a 1\r\nset b 2\r\ndbsize\r\nflushall\r\ndbsize\r\nget a\r\n",
          "+OK\r\n+OK\r\n:2\r\n+OK\r\n:0\r\n$-1\r\n");
  CAF_CHECK(back->take_log()
            == lines({"apply a b", "invalidate all", "fetch a"}));
  c.check("set a 1\r\nset b 2\r\ncache.invalidate prefix x\r\n",
          "+OK\r\n+OK\r\n:2\r\n");
  c.check("scan 0 match x\r\n", "*2\r\n$1\r\n7\r\n*1\r\n$1\r\nk\r\n");
  c.check("scan 7 type hash\r\n", "*2\r\n$1\r\n0\r\n*0\r\n");
  c.check("keys pattern\r\n", "*1\r\n$7\r\npattern\r\n");
  c.check("client reply off\r\ndbsize\r\nclient reply on\r\n", "+OK\r\n");
}

CAF_TEST(INFO tells of the tiers) {
  client c{start()};
  c.check("set a 1\r\n", "+OK\r\n");
  c.send("info\r\n");
  auto text = c.bulk();
  auto has = [&](std::string_view x) {
    return text.find(x) != std::string::npos;
  };
  CAF_CHECK(has("# Server\r\nredis_version:7.0.15\r\n"));
  CAF_CHECK(has("\r\nconnected_clients:1\r\n"));
  CAF_CHECK(has("\r\nrole:master\r\n"));
  CAF_CHECK(has("\r\nloading:0\r\n"));
  CAF_CHECK(has("\r\ntier_memory:state=up,lookups=0,hits=5,"));
  CAF_CHECK(has("\r\ntier_redis:state=half-open,"));
  CAF_CHECK(has("# Warming\r\nwarm_restart_preload_left:3\r\n"));
  CAF_CHECK(has("# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n"));
  c.send("info CLIENTS\r\n");
  auto part = c.bulk();
  CAF_CHECK_EQUAL(part.substr(0, 11), "# Clients\r\n");
  CAF_CHECK(part.find('#', 1) == std::string::npos);
  c.check("config resetstat\r\n", "+OK\r\n");
}

CAF_TEST(RESP3 is spoken when asked for) {
  client c{start()};
  c.check("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n",
          "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"
          "$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n"
          "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
          "$7\r\nmodules\r\n*0\r\n");
  c.check("get nothing\r\nmget a b\r\n", "_\r\n*2\r\n_\r\n_\r\n");
}

CAF_TEST(clients can end each other) {
  auto port = start();
  client first{port};
  first.check("client id\r\n", ":1\r\n");
  client second{port};
  second.check("client id\r\n", ":2\r\n");
  second.check("client kill id 1\r\n", ":1\r\n");
  CAF_CHECK(first.closed());
  second.check("client kill id 2 skipme no\r\n", ":1\r\n");
  CAF_CHECK(second.closed());
}

CAF_TEST(a port that is taken is an error) {
  opts->resp.port = start();
  for (std::uint32_t threads : {1, 2}) {
    opts->resp.io_threads = threads;
    auto live = std::make_shared<live_options>(*opts);
    auto again = resp_server::start(sys, {view, {}, {}, {}, {}, {}, {}, live});
    CAF_REQUIRE(!again);
    CAF_CHECK(again.error().code == errc::in_use);
    CAF_CHECK(again.error().detail.find("Address already in use")
              != std::string::npos);
  }
}

CAF_TEST(several threads serve one port) {
  opts->resp.io_threads = 3;
  auto port = start();
  CAF_CHECK_EQUAL(server->gateways().size(), 3u);
  std::vector<std::unique_ptr<client>> clients;
  for (int i = 0; i < 20; ++i)
    clients.push_back(std::make_unique<client>(port));
  for (auto& c : clients)
    c->check("set k v\r\nget k\r\n", "+OK\r\n$1\r\nv\r\n");
  clients[0]->send("info clients\r\n");
  CAF_CHECK(clients[0]->bulk().find("connected_clients:20\r\n")
            != std::string::npos);
}

CAF_TEST(stopping ends clients with open requests) {
  auto port = start();
  client c{port};
  back->hold = true;
  c.send("get k\r\n");
  back->wait_for_held(1);
  server->stop();
  CAF_CHECK(c.closed());
  release();
}

CAF_TEST_FIXTURE_SCOPE_END()
