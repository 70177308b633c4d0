// What a server can complain of: each kind has its meaning, its figure, and the
// server's own words as the reason.
#define CAF_SUITE tiers.redis_errors

#include "tiers/redis_store.hpp"

#include "tests/support/fake_server.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/topology.hpp"

#include <caf/test/unit_test.hpp>

#include <optional>
#include <thread>

using namespace terrace;

namespace {

using test::fake_server;
using test::redis_server;

constexpr std::int64_t now = 1'700'000'000'000;

struct complaint {
  std::string text;
  errc code;
  const char* figure;
};

/// As Redis 7.0 writes them.
const complaint complaints[] = {
  {"LOADING Redis is loading the dataset in memory", errc::unavailable,
   "reply_loading"},
  {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to "
   "'no'.",
   errc::unavailable, "reply_masterdown"},
  {"CLUSTERDOWN The cluster is down", errc::unavailable, "reply_clusterdown"},
  {"TRYAGAIN Multiple keys request during rehashing of slot", errc::unavailable,
   "reply_tryagain"},
  {"BUSY Redis is busy running a script.", errc::unavailable, "reply_busy"},
  {"READONLY You can't write against a read only replica.", errc::read_only,
   "reply_readonly"},
  {"MISCONF Redis is configured to save RDB snapshots", errc::read_only,
   "reply_misconf"},
  {"NOREPLICAS Not enough good replicas to write.", errc::read_only,
   "reply_noreplicas"},
  {"OOM command not allowed when used memory > 'maxmemory'.", errc::no_space,
   "reply_oom"},
  {"NOAUTH Authentication required.", errc::auth_failed, "reply_noauth"},
  {"WRONGPASS invalid username-password pair or user is disabled.",
   errc::auth_failed, "reply_wrongpass"},
  {"NOPERM this user has no permissions to run the 'mget' command",
   errc::auth_failed, "reply_noperm"},
  {"DENIED Redis is running in protected mode", errc::auth_failed,
   "reply_denied"},
  {"ERR AUTH <password> called without any password configured",
   errc::auth_failed, "reply_auth"},
  {"MOVED 3999 127.0.0.1:6381", errc::invalid_argument, "reply_moved"},
  {"ASK 3999 127.0.0.1:6381", errc::invalid_argument, "reply_ask"},
  {"ERR DB index is out of range", errc::invalid_argument, "reply_db_index"},
  {"ERR max number of clients reached", errc::overloaded, "reply_max_clients"},
  {"ERR unknown command 'MGET'", errc::protocol_violation, "reply_other"},
};

struct fixture {
  redis_options opts;
  std::shared_ptr<codec> coder = std::make_shared<codec>(compression_options{});
  std::shared_ptr<redis_figures> figures = std::make_shared<redis_figures>();
  std::optional<redis_store> store;

  void connect(const std::string& url) {
    figures = std::make_shared<redis_figures>();
    store.emplace(opts, test::make_topology(opts, url), coder, figures,
                  "terrace-test");
  }

  lookup find(std::string_view name) {
    auto key = qualify(0, name);
    return store->fetch({&key, 1}, now).at(0);
  }

  store_report put(std::string_view name, version_t version) {
    entry x{qualify(0, name), {blob::copy("value"), version, 0, {}}};
    return store->put({&x, 1}, false, now);
  }

  /// True if the latest operation failed with `code`, in the server's words,
  /// and was counted under `name` and nothing else.
  bool complained(errc code, std::string_view words, const char* name) {
    counter_map all;
    figures->fill(all);
    std::uint64_t others = 0;
    for (auto& [other, n] : all)
      if (other.starts_with("reply_") && other != name)
        others += n;
    auto& why = store->last_failure();
    return why.code == code && why.detail.starts_with(words) && all[name] >= 1
           && others == 0;
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(redis_errors_tests, fixture)

CAF_TEST(every complaint has its own meaning and figure) {
  for (auto& x : complaints) {
    fake_server server{"+OK\r\n-" + x.text + "\r\n", true};
    connect(server.url());
    CAF_CHECK(find("a").what == lookup::outcome::error);
    if (!complained(x.code, x.text, x.figure))
      CAF_ERROR(x.figure << ": " << to_string(store->last_failure()));
  }
}

CAF_TEST(the names of all kinds differ) {
  std::map<std::string_view, std::size_t> names;
  for (std::size_t i = 0; i < redis_error_kinds; ++i)
    ++names[redis_error_name(i)];
  CAF_CHECK_EQUAL(names.size(), redis_error_kinds);
}

CAF_TEST(what a server says before it hangs up is the reason) {
  opts.connect_timeout = opts.command_timeout = milliseconds{2000};
  fake_server server{"-ERR max number of clients reached\r\n", false};
  connect(server.url() + "/3");
  find("a");
  CAF_CHECK(complained(errc::overloaded, "ERR max number of clients",
                       "reply_max_clients"));
}

CAF_TEST(half a reply and another protocol are no complaints) {
  for (auto bytes :
       {"+OK\r\n*1\r\n$100\r\nonly this", "HTTP/1.1 400 Bad Request\r\n\r\n"}) {
    fake_server server{bytes, false};
    connect(server.url());
    find("a");
    CAF_CHECK(store->last_failure().code == errc::protocol_violation);
    counter_map all;
    figures->fill(all);
    CAF_CHECK_EQUAL(all["error_protocol_violation"], 1u);
    for (auto& [name, n] : all)
      CAF_CHECK(!name.starts_with("reply_"));
  }
}

CAF_TEST(an outcome that the script does not know breaks the protocol) {
  std::string sha(40, 'a');
  fake_server server{"+OK\r\n$40\r\n" + sha + "\r\n$1\r\nf\r\n", true};
  connect(server.url());
  auto report = put("a", 1);
  CAF_CHECK_EQUAL(report.failed, 1u);
  CAF_CHECK(report.why.code == errc::protocol_violation);
}

CAF_TEST(a real server complains likewise) {
  redis_server server;
  connect(server.url());
  CAF_CHECK_EQUAL(put("a", 1).stored, 1u);
  server.run_command({"CONFIG", "SET", "maxmemory", "1"});
  put("a", 2);
  CAF_CHECK(complained(errc::no_space, "OOM", "reply_oom"));
  server.run_command({"CONFIG", "SET", "maxmemory", "0"});
  server.run_command({"REPLICAOF", "127.0.0.1", "1"});
  connect(server.url());
  put("a", 3);
  CAF_CHECK(complained(errc::read_only, "READONLY", "reply_readonly"));
  server.run_command({"CONFIG", "SET", "replica-serve-stale-data", "no"});
  connect(server.url());
  find("a");
  CAF_CHECK(complained(errc::unavailable, "MASTERDOWN", "reply_masterdown"));
  server.run_command({"REPLICAOF", "NO", "ONE"});
  server.run_command({"ACL", "SETUSER", "default", "-mget"});
  connect(server.url());
  find("a");
  CAF_CHECK(complained(errc::auth_failed, "NOPERM", "reply_noperm"));
  server.run_command({"ACL", "SETUSER", "default", "+mget", ">secret"});
  connect(server.tcp_url(":wrong@"));
  find("a");
  CAF_CHECK(complained(errc::auth_failed, "WRONGPASS", "reply_wrongpass"));
}

CAF_TEST(a server that runs a script for long is busy) {
  redis_server server{{"--busy-reply-threshold", "1"}};
  connect(server.url());
  find("a");
  std::thread script{[&] {
    server.run_command({"EVAL", "while true do end", "0"});
  }};
  // Busy as soon as the script has run for a millisecond; until then, no reply
  // at all or a miss.
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (!complained(errc::unavailable, "BUSY", "reply_busy")
         && std::chrono::steady_clock::now() < end)
    find("a");
  server.run_command({"SCRIPT", "KILL"});
  script.join();
  CAF_CHECK(complained(errc::unavailable, "BUSY", "reply_busy"));
  CAF_CHECK(find("a").what == lookup::outcome::miss);
}

CAF_TEST(an address in brackets is one of IPv6) {
  std::optional<redis_server> server;
  try {
    server.emplace(std::vector<std::string>{"--bind", "::1"});
  } catch (const std::runtime_error&) {
    CAF_MESSAGE("no IPv6 on this machine");
    return;
  }
  connect("redis://[::1]:" + std::to_string(server->port()));
  CAF_CHECK_EQUAL(put("a", 1).stored, 1u);
  CAF_CHECK(find("a").hit());
}

CAF_TEST_FIXTURE_SCOPE_END()
