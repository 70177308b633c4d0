// What commands answer at once, and what they ask coordinators for. Error texts
// are those of redis-server 7.0.15, taken from a running one.

#define CAF_SUITE actors.resp_executor

#include "actors/resp/executor.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;
using namespace terrace::resp;

namespace {

constexpr std::int64_t now = 1'700'000'000'000;

struct fixture {
  options opts;
  memory_view view{1, 64, 1};
  client_registry clients;
  live_options live{opts};
  executor uut{opts, live, view, clients};
  std::unique_ptr<session> client;
  verdict last = verdict::done;

  fixture() {
    reconnect();
  }

  void reconnect() {
    auto info = std::make_shared<client_info>();
    info->address = "127.0.0.1:1";
    info->since_ms = now;
    info->last_ms = now;
    clients.add(info);
    client = std::make_unique<session>(info, !opts.resp.password.empty());
  }

  void remember(const std::string& key, std::string_view value,
                std::int64_t expires_ms = 0, tenant_id tenant = 0) {
    auto qualified = qualify(tenant, key);
    auto& table = view.table(0);
    table.insert(memory_node::make(table.arena(), qualified,
                                   {blob::copy(value), 1, expires_ms, {}},
                                   expires_ms),
                 view.hash(qualified));
  }

  /// Runs a line and returns what was answered at once.
  std::string run(const std::string& line) {
    parser input;
    std::vector<std::string_view> args;
    auto text = line + "\n";
    CAF_REQUIRE(input.next(text, {}, args) == parser::outcome::complete);
    std::vector<invocation> calls(1);
    calls[0].what = find_command(args[0]);
    calls[0].args = args;
    uut.prepare(*client, calls);
    auto pinned = view.pin();
    last = uut.run(*client, calls[0], pinned, now);
    return take();
  }

  std::string take() {
    client->settle();
    std::string result{client->out.text().view()};
    client->out.clear();
    return result;
  }

  /// The one batch that waits for the coordinator.
  shard_batch batch() {
    CAF_REQUIRE(uut.shard(0).may_send());
    auto result = uut.shard(0).next();
    CAF_CHECK(!uut.shard(0).may_send());
    uut.done(0, result.bytes);
    return result;
  }

  /// The change that a line asks for, in words.
  std::string change(const std::string& line) {
    CAF_CHECK_EQUAL(run(line), "");
    auto xs = batch();
    CAF_REQUIRE(xs.writes);
    std::string result;
    for (auto& x : xs.changes)
      result += (result.empty() ? "" : "; ") + describe(x);
    reconnect();
    return result;
  }

  static std::string describe(const mutation& x) {
    const char* ops[] = {"put", "erase", "expire"};
    const char* whens[] = {"", " if_absent", " if_present", " if_later",
                           " if_earlier"};
    std::string result = ops[static_cast<int>(x.what)];
    result.append(" ").append(user_key(x.key));
    if (tenant_of(x.key) != 0)
      result += "@" + std::to_string(tenant_of(x.key));
    if (!x.value.empty())
      result.append("=").append(x.value.view());
    result += whens[static_cast<int>(x.when)];
    if (x.keep_expiry)
      result += " keep";
    if (x.want_old)
      result += " old";
    if (x.expires_ms != 0)
      result += " at "
                + (x.expires_ms > now / 2
                     ? "now+" + std::to_string(x.expires_ms - now)
                     : std::to_string(x.expires_ms));
    for (auto& tag : x.tags)
      result += " #" + tag;
    if (x.tiers != 0)
      result += " tiers " + std::to_string(x.tiers);
    return result;
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(resp_executor_tests, fixture)

CAF_TEST(errors are worded as Redis words them) {
  struct row {
    const char* line;
    const char* error;
  };
  auto syntax = "ERR syntax error";
  auto integer = "ERR value is not an integer or out of range";
  row rows[] = {
    {"set k v ex", syntax},
    {"set k v ex 0", "ERR invalid expire time in 'set' command"},
    {"set k v ex -1", "ERR invalid expire time in 'set' command"},
    {"set k v ex abc", integer},
    {"set k v ex 10 px 10", syntax},
    {"set k v nx xx", syntax},
    {"set k v keepttl ex 10", syntax},
    {"set k v foo", syntax},
    {"set k v ex 9223372036854775807",
     "ERR invalid expire time in 'set' command"},
    {"setex k 0 v", "ERR invalid expire time in 'setex' command"},
    {"psetex k 0 v", "ERR invalid expire time in 'psetex' command"},
    {"setex k a v", integer},
    {"expire k abc", integer},
    {"expire k 10 foo", "ERR Unsupported option foo"},
    {"expire k 10 nx xx", "ERR NX and XX, GT or LT options at the same time "
                          "are not compatible"},
    {"expire k 10 gt lt",
     "ERR GT and LT options at the same time are not compatible"},
    {"expire k 9223372036854775807",
     "ERR invalid expire time in 'expire' command"},
    {"getex k ex 0", "ERR invalid expire time in 'getex' command"},
    {"getex k persist ex 10", syntax},
    {"getex k ex 10 px 10", syntax},
    {"select 99", "ERR DB index is out of range"},
    {"select -1", "ERR DB index is out of range"},
    {"select abc", integer},
    {"scan abc", "ERR invalid cursor"},
    {"scan 0 count 0", syntax},
    {"scan 0 count abc", integer},
    {"scan 0 foo", syntax},
    {"client foo", "ERR unknown subcommand 'foo'. Try CLIENT HELP."},
    {"client", "ERR wrong number of arguments for 'client' command"},
    {"client getname a",
     "ERR wrong number of arguments for 'client|getname' command"},
    {"client setname \"a b\"", "ERR Client names cannot contain spaces, "
                               "newlines or special characters."},
    {"client kill foo", "ERR No such client"},
    {"client kill id 0", "ERR client-id should be greater than 0"},
    {"client kill type foo", "ERR Unknown client type 'foo'"},
    {"client kill foo bar", syntax},
    {"client reply foo", syntax},
    {"client list type foo", "ERR Unknown client type 'foo'"},
    {"client list id abc", "ERR Invalid client ID"},
    {"client list foo", syntax},
    {"client no-evict foo", syntax},
    {"config get", "ERR wrong number of arguments for 'config|get' command"},
    {"config foo", "ERR unknown subcommand 'foo'. Try CONFIG HELP."},
    {"command foo", "ERR unknown subcommand 'foo'. Try COMMAND HELP."},
    {"command getkeys foo bar", "ERR Invalid command specified"},
    {"command getkeys ping a", "ERR The command has no key arguments"},
    {"command list filterby foo bar", syntax},
    {"auth x", "ERR AUTH <password> called without any password configured "
               "for the default user. Are you sure your configuration is "
               "correct?"},
    {"auth a b",
     "WRONGPASS invalid username-password pair or user is disabled."},
    {"auth a b c", syntax},
    {"hello 4", "NOPROTO unsupported protocol version"},
    {"hello abc", "ERR Protocol version is not an integer or out of range"},
    {"hello 2 foo", "ERR Syntax error in HELLO option 'foo'"},
    {"flushdb foo", syntax},
    {"flushdb async sync", syntax},
    {"ping a b", "ERR wrong number of arguments for 'ping' command"},
    {"get", "ERR wrong number of arguments for 'get' command"},
    {"mset a b c", "ERR wrong number of arguments for 'mset' command"},
    {"nosuch a b",
     "ERR unknown command 'nosuch', with args beginning with: 'a' 'b' "},
    {"NoSuch", "ERR unknown command 'NoSuch', with args beginning with: "},
    {"client|list",
     "ERR unknown command 'client|list', with args beginning with: "},
  };
  for (auto& x : rows)
    CAF_CHECK_EQUAL(run(x.line), "-" + std::string{x.error} + "\r\n");
  CAF_CHECK_EQUAL(uut.counters().error_replies, std::size(rows));
}

CAF_TEST(writes become changes) {
  struct row {
    const char* line;
    const char* change;
  };
  row rows[] = {
    {"set k v", "put k=v"},
    {"set k v ex 10", "put k=v at now+10000"},
    {"set k v px 10 nx", "put k=v if_absent at now+10"},
    {"set k v exat 1", "put k=v at 1000"},
    {"set k v pxat 7 xx", "put k=v if_present at 7"},
    {"set k v keepttl", "put k=v keep"},
    {"set k v get", "put k=v old"},
    {"set k v nx get", "put k=v if_absent old"},
    {"setex k 2 v", "put k=v at now+2000"},
    {"psetex k 2 v", "put k=v at now+2"},
    {"setnx k v", "put k=v if_absent"},
    {"getset k v", "put k=v old"},
    {"getdel k", "erase k old"},
    {"getex k ex 5", "expire k old at now+5000"},
    {"getex k persist", "expire k old"},
    {"mset a 1 b 2", "put a=1; put b=2"},
    {"del a b", "erase a; erase b"},
    {"unlink a", "erase a"},
    {"expire k 5", "expire k at now+5000"},
    {"expire k -5", "expire k at now+-5000"},
    {"expireat k -5", "expire k at 1"},
    {"pexpire k 5 nx", "expire k if_absent at now+5"},
    {"expireat k 5 xx", "expire k if_present at 5000"},
    {"pexpireat k 5 gt", "expire k if_later at 5"},
    {"expire k 5 lt", "expire k if_earlier at now+5000"},
    {"persist k", "expire k if_present"},
    {"cache.set k v", "put k=v"},
    {"cache.set k v px 5 tags 2 a b", "put k=v at now+5 #a #b"},
    {"CACHE.SET k v TIER memory disk EX 1", "put k=v at now+1000 tiers 5"},
  };
  for (auto& x : rows)
    CAF_CHECK_EQUAL(change(x.line), x.change);
}

CAF_TEST(CACHE SET has a syntax of its own) {
  CAF_CHECK_EQUAL(run("cache.set k v tags 0"),
                  "-ERR TAGS needs the number of tags and the tags\r\n");
  CAF_CHECK_EQUAL(run("cache.set k v tags 3 a b"),
                  "-ERR TAGS needs the number of tags and the tags\r\n");
  CAF_CHECK_EQUAL(run("cache.set k v tier moon"),
                  "-ERR TIER needs one or more of memory, redis, disk\r\n");
  CAF_CHECK_EQUAL(run("cache.set k v foo"), "-ERR syntax error\r\n");
}

CAF_TEST(keys and values have limits) {
  opts.cache.max_key_size = 3;
  opts.cache.max_value_size = 4;
  CAF_CHECK_EQUAL(run("set abcd v"),
                  "-ERR key is larger than the limit of 3 bytes\r\n");
  CAF_CHECK_EQUAL(run("set abc vwxyz"),
                  "-ERR value is larger than the limit of 4 bytes\r\n");
  CAF_CHECK_EQUAL(run("mset a b c vwxyz"),
                  "-ERR value is larger than the limit of 4 bytes\r\n");
  CAF_CHECK_EQUAL(change("set abc vwxy"), "put abc=vwxy");
}

CAF_TEST(what memory holds is answered at once) {
  remember("k", "hello", now + 1600);
  remember("forever", "x");
  CAF_CHECK_EQUAL(run("get k"), "$5\r\nhello\r\n");
  CAF_CHECK_EQUAL(run("strlen k"), ":5\r\n");
  CAF_CHECK_EQUAL(run("exists k k forever"), ":3\r\n");
  CAF_CHECK_EQUAL(run("touch k"), ":1\r\n");
  CAF_CHECK_EQUAL(run("type k"), "+string\r\n");
  CAF_CHECK_EQUAL(run("ttl k"), ":2\r\n");
  CAF_CHECK_EQUAL(run("pttl k"), ":1600\r\n");
  CAF_CHECK_EQUAL(run("expiretime k"), ":1700000002\r\n");
  CAF_CHECK_EQUAL(run("ttl forever"), ":-1\r\n");
  CAF_CHECK_EQUAL(run("getex k"), "$5\r\nhello\r\n");
  CAF_CHECK_EQUAL(run("mget forever k"), "*2\r\n$1\r\nx\r\n$5\r\nhello\r\n");
  CAF_CHECK_EQUAL(uut.counters().hits, 14u);
  CAF_CHECK_EQUAL(uut.counters().requests, 14u);
}

CAF_TEST(tenants have keys of their own) {
  remember("k", "zero");
  remember("k", "one", 0, 1);
  CAF_CHECK_EQUAL(run("get k"), "$4\r\nzero\r\n");
  CAF_CHECK_EQUAL(run("select 1"), "+OK\r\n");
  CAF_CHECK_EQUAL(run("get k"), "$3\r\none\r\n");
  CAF_CHECK_EQUAL(change("set k v"), "put k@1=v");
}

CAF_TEST(misses go to the coordinator and keep their place) {
  remember("b", "2");
  CAF_CHECK_EQUAL(run("mget a b c"), "");
  CAF_CHECK_EQUAL(run("ping"), "");
  auto xs = batch();
  CAF_REQUIRE_EQUAL(xs.lookups.size(), 2u);
  CAF_CHECK_EQUAL(user_key(xs.lookups[1]), "c");
  auto found = lookup::found({blob::copy("3"), 1, 0, {}}, tier_kind::disk);
  uut.deliver(*client, xs.targets[1], found, now);
  CAF_CHECK_EQUAL(take(), "");
  auto missed = lookup::missed();
  uut.deliver(*client, xs.targets[0], missed, now);
  CAF_CHECK_EQUAL(take(), "*3\r\n$-1\r\n$1\r\n2\r\n$1\r\n3\r\n+PONG\r\n");
  auto& counters = uut.counters();
  CAF_CHECK_EQUAL(counters.requests, 3u);
  CAF_CHECK_EQUAL(counters.hits, 2u);
  CAF_CHECK_EQUAL(counters.misses, 1u);
}

CAF_TEST(failed reads are counted apart from hits and misses) {
  auto answer = [&](errc why) {
    CAF_CHECK_EQUAL(run("get k"), "");
    auto xs = batch();
    uut.fail(*client, xs.targets[0], why, false);
    return take();
  };
  // A tier that could not be asked is a miss to clients, not to the counters.
  CAF_CHECK_EQUAL(answer(errc::timeout), "$-1\r\n");
  CAF_CHECK_EQUAL(answer(errc::shutting_down),
                  "-ERR The node is shutting down.\r\n");
  CAF_CHECK_EQUAL(uut.counters().errors, 2u);
  CAF_CHECK_EQUAL(uut.counters().misses, 0u);
  CAF_CHECK_EQUAL(uut.counters().requests, 2u);
  CAF_CHECK_EQUAL(uut.counters().error_replies, 1u);
}

CAF_TEST(a read waits for the changes of its key) {
  remember("k", "old");
  remember("other", "x");
  CAF_CHECK_EQUAL(run("set k new"), "");
  run("get k");
  CAF_CHECK(last == verdict::wait);
  run("mget other k");
  CAF_CHECK(last == verdict::wait);
  auto xs = batch();
  mutation_result done;
  done.applied = true;
  uut.deliver(*client, xs.targets[0], done);
  CAF_CHECK_EQUAL(take(), "+OK\r\n");
  run("get k");
  CAF_CHECK(last == verdict::done);
}

CAF_TEST(changes under way are bounded) {
  std::size_t n = 0;
  for (last = verdict::done; last == verdict::done; ++n)
    run("set k" + std::to_string(n) + " v");
  CAF_CHECK_EQUAL(n, session::max_pending + 1);
}

CAF_TEST(reads of large values are few at a time) {
  opts.resp.output_soft_limit = 1000;
  std::size_t n = 0;
  for (last = verdict::done; last == verdict::done; ++n)
    run("get k" + std::to_string(n));
  CAF_CHECK_EQUAL(n,
                  65u); // the window of a new connection, and the one refused
  auto xs = batch();
  for (auto& to : xs.targets) {
    auto found = lookup::found({blob::copy(std::string(500, 'x')), 1, 0, {}},
                               tier_kind::disk);
    uut.deliver(*client, to, found, now);
  }
  client->settle();
  n = 0;
  for (last = verdict::done; last == verdict::done; ++n)
    run("get k" + std::to_string(n));
  CAF_CHECK_EQUAL(n, 3u); // two values of 500 bytes fit into the limit
}

CAF_TEST(strangers may only authenticate) {
  opts.resp.password = "secret";
  reconnect();
  auto refused = "-NOAUTH Authentication required.\r\n";
  CAF_CHECK_EQUAL(run("get k"), refused);
  CAF_CHECK_EQUAL(run("ping"), refused);
  CAF_CHECK_EQUAL(run("hello 3").substr(0, 14), "-NOAUTH HELLO ");
  auto wrong = "-WRONGPASS invalid username-password pair or user is "
               "disabled.\r\n";
  CAF_CHECK_EQUAL(run("auth secre"), wrong);
  CAF_CHECK_EQUAL(run("auth secret2"), wrong);
  CAF_CHECK_EQUAL(run("auth \"\""), wrong);
  CAF_CHECK_EQUAL(run("auth admin secret"), wrong);
  CAF_CHECK_EQUAL(run("hello 2 auth default x"), wrong);
  CAF_CHECK_EQUAL(uut.counters().auth_failures, 5u);
  CAF_CHECK_EQUAL(run("auth secret"), "+OK\r\n");
  CAF_CHECK_EQUAL(run("ping"), "+PONG\r\n");
  CAF_CHECK_EQUAL(run("reset"), "+RESET\r\n");
  CAF_CHECK_EQUAL(run("ping"), refused);
  CAF_CHECK_EQUAL(run("hello 3 auth default secret setname me").substr(0, 29),
                  "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7");
  CAF_CHECK_EQUAL(run("client getname"), "$2\r\nme\r\n");
}

CAF_TEST(replies can be switched off) {
  CAF_CHECK_EQUAL(run("client reply skip"), "");
  CAF_CHECK_EQUAL(run("ping"), "");
  CAF_CHECK_EQUAL(run("ping"), "+PONG\r\n");
  CAF_CHECK_EQUAL(run("client reply off"), "");
  CAF_CHECK_EQUAL(run("nosuch"), "");
  CAF_CHECK_EQUAL(run("client reply on"), "+OK\r\n");
}

CAF_TEST(work for other actors waits until nothing is under way) {
  CAF_CHECK_EQUAL(run("set k v"), "");
  run("flushall");
  CAF_CHECK(last == verdict::wait);
  auto xs = batch();
  uut.fail(*client, xs.targets[0], errc::no_space, true);
  take();
  run("flushall async");
  CAF_CHECK(last == verdict::service);
  CAF_CHECK(client->call.what == service_call::kind::flush);
  CAF_CHECK(client->call.selected.what == selector::kind::all);
}

CAF_TEST(invalidations become selectors) {
  run("select 2");
  run("cache.invalidate tag red");
  CAF_CHECK(last == verdict::service);
  CAF_CHECK(client->call.selected == (selector{selector::kind::tag, 2, "red"}));
  run("CACHE.INVALIDATE TENANT");
  CAF_CHECK(client->call.selected == (selector{selector::kind::tenant, 2, ""}));
  CAF_CHECK_EQUAL(run("cache.invalidate key"),
                  "-ERR wrong number of arguments for 'cache.invalidate' "
                  "command\r\n");
  CAF_CHECK_EQUAL(run("cache.invalidate foo bar"),
                  "-ERR expected KEY, PREFIX, GLOB, TAG, TENANT or ALL\r\n");
}

CAF_TEST(a browser that was tricked gets nowhere) {
  CAF_CHECK_EQUAL(run("POST / HTTP/1.1"), "");
  CAF_CHECK(client->closing);
}

CAF_TEST(CONFIG GET knows the names of Redis and of Terrace) {
  opts.resp.password = "secret";
  opts.resp.max_clients = 77;
  live.set(opts);
  client->authenticated = true;
  CAF_CHECK_EQUAL(run("config get MAXCLIENTS"),
                  "*2\r\n$10\r\nmaxclients\r\n$2\r\n77\r\n");
  CAF_CHECK_EQUAL(run("config get save appendonly"),
                  "*4\r\n$10\r\nappendonly\r\n$2\r\nno\r\n$4\r\nsave\r\n"
                  "$0\r\n\r\n");
  CAF_CHECK_EQUAL(run("config get nosuch"), "*0\r\n");
  CAF_CHECK_EQUAL(run("config get resp.max_cl*"),
                  "*2\r\n$16\r\nresp.max_clients\r\n$2\r\n77\r\n");
  CAF_CHECK(run("config get *").find("secret") == std::string::npos);
}

CAF_TEST(COMMAND GETKEYS finds the keys) {
  CAF_CHECK_EQUAL(run("command getkeys mset a 1 b 2"),
                  "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  CAF_CHECK_EQUAL(run("command getkeys get a"), "*1\r\n$1\r\na\r\n");
}

CAF_TEST_FIXTURE_SCOPE_END()
