// The RESP face over real sockets, with coordinators that the test controls.

#define CAF_SUITE actors.resp_gateway

#include "actors/configurator.hpp"
#include "actors/log.hpp"
#include "actors/resp/server.hpp"

#include <caf/io/middleman.hpp>
#include <caf/test/unit_test.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>

using namespace terrace;

namespace {

// -- actors -------------------------------------------------------------------

/// What the test and a coordinator share.
struct backend {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, record> data;
  std::vector<std::string> log; ///< one entry per message: "fetch a b"
  bool hold = false;            ///< keep answers back
  errc fail = errc::none;
  std::vector<std::function<void()>> held;

  void wait_for_held(std::size_t n) {
    std::unique_lock lock{mutex};
    changed.wait(lock, [&] { return held.size() >= n; });
  }

  std::vector<std::string> take_log() {
    std::lock_guard lock{mutex};
    return std::exchange(log, {});
  }

  std::vector<std::string> wait_for_log(std::size_t n) {
    std::unique_lock lock{mutex};
    changed.wait(lock, [&] { return log.size() >= n; });
    return std::exchange(log, {});
  }
};

using backend_ptr = std::shared_ptr<backend>;

mutation_result change(backend& x, mutation& m) {
  mutation_result result;
  auto i = x.data.find(m.key);
  result.had_old = i != x.data.end();
  if (result.had_old && m.want_old)
    result.old = i->second;
  using condition = mutation::condition;
  result.applied = m.what == mutation::op::put
                     ? (m.when != condition::if_absent || !result.had_old)
                         && (m.when != condition::if_present || result.had_old)
                     : result.had_old;
  if (!result.applied)
    return result;
  if (m.what == mutation::op::put)
    x.data[m.key] = {m.value, 1, m.expires_ms, m.tags};
  else if (m.what == mutation::op::erase)
    x.data.erase(i);
  else
    i->second.expires_ms = m.expires_ms;
  return result;
}

coordinator_actor::behavior_type
fake_coordinator(coordinator_actor::pointer self, backend_ptr x) {
  self->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  // Answers now, or when the test sends `reset`.
  auto answer = [self, x](auto result) {
    using type = decltype(result);
    auto promise = self->make_response_promise<type>();
    auto deliver = [promise, result, x]() mutable {
      if (x->fail != errc::none)
        promise.deliver(make_error(x->fail));
      else
        promise.deliver(std::move(result));
    };
    if (x->hold)
      x->held.emplace_back(std::move(deliver));
    else
      deliver();
    x->changed.notify_all();
    return promise;
  };
  return {
    [=](fetch_atom, const keys& xs) -> caf::result<lookups> {
      std::lock_guard lock{x->mutex};
      std::string line = "fetch";
      lookups result;
      for (auto& key : xs) {
        line.append(" ").append(user_key(key));
        auto i = x->data.find(key);
        result.push_back(i == x->data.end()
                           ? lookup::missed()
                           : lookup::found(i->second, tier_kind::disk));
      }
      x->log.push_back(std::move(line));
      return answer(std::move(result));
    },
    [=](apply_atom, mutations& xs) -> caf::result<mutation_results> {
      std::lock_guard lock{x->mutex};
      std::string line = "apply";
      mutation_results result;
      for (auto& m : xs) {
        line.append(" ").append(user_key(m.key));
        result.push_back(change(*x, m));
      }
      x->log.push_back(std::move(line));
      return answer(std::move(result));
    },
    [](claim_atom, const std::string&, std::uint64_t) -> caf::result<claim> {
      return make_error(errc::unavailable);
    },
    [](fulfil_atom, std::uint64_t, mutation&) -> caf::result<mutation_result> {
      return make_error(errc::unavailable);
    },
    [](abandon_atom, const std::string&, std::uint64_t, const failure&) {},
    [](fence_atom, const selector&, version_t) { return std::uint64_t{0}; },
    [](unfence_atom, version_t) {},
    [](forget_atom, const removals& xs) { return std::uint64_t{xs.size()}; },
    [](status_atom) { return actor_status{}; },
    [=](reset_atom) {
      std::unique_lock lock{x->mutex};
      auto held = std::exchange(x->held, {});
      for (auto& deliver : held)
        deliver();
    },
    [](tick_atom) {},
  };
}

invalidator_actor::behavior_type fake_invalidator(invalidator_actor::pointer,
                                                  backend_ptr x) {
  return {
    [=](invalidate_atom, const selector& what, const std::string&) {
      std::lock_guard lock{x->mutex};
      x->log.push_back("invalidate " + to_string(what));
      invalidation_report result;
      result.removed = {{"memory", 1}, {"disk", x->data.size()}};
      x->data.clear();
      return result;
    },
    [](forget_atom, const selector&, version_t) {
      return invalidation_report{};
    },
    [](status_atom) { return actor_status{}; },
    [](reset_atom) {},
  };
}

keyspace_actor::behavior_type fake_keyspace(keyspace_actor::pointer,
                                            backend_ptr x) {
  return {
    [=](scan_atom, const scan_request& what) {
      scan_page result;
      result.cursor = what.cursor == 0 ? 7 : 0;
      result.found = {qualify(what.tenant, "k")};
      return result;
    },
    [=](list_atom, tenant_id tenant, const std::string& glob) {
      return keys{qualify(tenant, glob)};
    },
    [=](count_atom, tenant_id tenant) {
      std::lock_guard lock{x->mutex};
      return tenant == 0 ? static_cast<std::uint64_t>(x->data.size())
                         : std::uint64_t{0};
    },
    [](status_atom) { return actor_status{}; },
    [](reset_atom) {},
  };
}

metrics_actor::behavior_type fake_metrics(metrics_actor::pointer) {
  return {
    [](report_atom) {
      node_report result;
      tier_status memory;
      memory.tier = tier_kind::memory;
      memory.hits = 5;
      result.tiers.push_back(memory);
      tier_status redis;
      redis.tier = tier_kind::redis;
      redis.state = "half-open";
      result.tiers.push_back(redis);
      return result;
    },
    [](reset_atom) {},
    [](caf::join_atom, const std::string&, const caf::actor&) {},
  };
}

// -- a client -----------------------------------------------------------------

/// A blocking connection; gives up after ten seconds without an answer.
class client {
public:
  explicit client(std::uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0)
      CAF_FAIL("connect: " << std::strerror(errno));
  }

  client(const client&) = delete;

  ~client() {
    ::close(fd_);
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0)
        return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  /// Exactly `n` bytes, or less if the connection ends.
  std::string receive(std::size_t n) {
    std::string result(n, '\0');
    std::size_t at = 0;
    while (at < n) {
      auto got = ::recv(fd_, result.data() + at, n - at, 0);
      if (got < 0)
        CAF_FAIL("no answer after " << result.substr(0, at));
      if (got == 0)
        break;
      at += static_cast<std::size_t>(got);
    }
    result.resize(at);
    return result;
  }

  /// Sends lines and expects exactly `reply`.
  void check(std::string_view lines, std::string_view reply) {
    send(lines);
    CAF_CHECK_EQUAL(receive(reply.size()), reply);
  }

  std::string bulk() {
    std::string head;
    while (!head.ends_with("\r\n"))
      head += receive(1);
    return receive(std::stoul(head.substr(1)) + 2);
  }

  /// True if the server ends the connection, perhaps with a reset.
  bool closed() {
    char byte;
    auto n = ::recv(fd_, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
  }

private:
  int fd_;
};

// -- fixture ------------------------------------------------------------------

struct config : caf::actor_system_config {
  config() {
    add_terrace_types(*this);
    load<caf::io::middleman>();
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::size_t{2});
    set("middleman.max-consecutive-reads", std::size_t{1});
  }
};

struct fixture {
  config cfg;
  caf::actor_system sys{cfg};
  std::shared_ptr<options> opts = std::make_shared<options>();
  memory_view_ptr view = std::make_shared<memory_view>(1, 64, 1);
  backend_ptr back = std::make_shared<backend>();
  std::atomic<std::int64_t> now{1'700'000'000'000};
  std::vector<caf::actor> others;
  coordinator_actor coordinator;
  std::unique_ptr<resp_server> server;

  fixture() {
    opts->resp.port = 0;
    opts->resp.io_threads = 1;
    log_options quiet;
    quiet.level = "off";
    (void)open_log(quiet);
  }

  ~fixture() {
    server.reset();
    caf::scoped_actor self{sys};
    for (auto& x : others)
      self->send_exit(x, caf::exit_reason::user_shutdown);
    others.clear();
    coordinator = nullptr;
  }

  template <class Handle>
  Handle keep(Handle x) {
    others.push_back(caf::actor_cast<caf::actor>(x));
    return x;
  }

  std::uint16_t start() {
    coordinator = keep(sys.spawn(fake_coordinator, back));
    auto live = std::make_shared<live_options>(*opts);
    std::vector<memory_tier_actor> no_memory;
    auto x = resp_server::start(sys,
                                {view,
                                 {coordinator},
                                 keep(sys.spawn(fake_invalidator, back)),
                                 keep(sys.spawn(fake_keyspace, back)),
                                 keep(sys.spawn(fake_metrics)),
                                 keep(sys.spawn(configurator, live, no_memory)),
                                 [this] { return now.load(); },
                                 live});
    if (!x)
      CAF_FAIL(to_string(x.error()));
    server = *std::move(x);
    return server->port();
  }

  void remember(const std::string& key, std::string_view value) {
    auto qualified = qualify(0, key);
    auto& table = view->table(0);
    table.insert(memory_node::make(table.arena(), qualified,
                                   {blob::copy(value), 1, 0, {}}, 0),
                 view->hash(qualified));
  }

  void release() {
    back->hold = false;
    caf::anon_send(coordinator, reset_atom_v);
  }

  std::uint64_t counter(const std::string& name) {
    caf::scoped_actor self{sys};
    std::uint64_t result = 0;
    self->request(server->gateways()[0], caf::infinite, status_atom_v)
      .receive([&](actor_status& x) { result = x.counters.at(name); },
               [&](caf::error& why) { CAF_FAIL(sys.render(why)); });
    return result;
  }

  void tick() {
    caf::anon_send(server->gateways()[0], tick_atom_v);
  }
};

using lines = std::vector<std::string>;

} // namespace

CAF_TEST_FIXTURE_SCOPE(resp_gateway_tests, fixture)

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
