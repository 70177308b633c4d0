// The tier against real servers that are frozen, killed, full or absent. Time
// is real here, so nothing is judged by it: the deadlines only keep a failure
// from hanging.
#define CAF_SUITE actors.redis_outage

#define FAIL CAF_FAIL
#include <caf/test/dsl.hpp>

#include "actors/redis_tier.hpp"
#include "tests/support/redis_server.hpp"

#include <map>

using namespace terrace;
using namespace std::chrono_literals;

namespace {

using test::redis_server;

constexpr auto deadline = 20s;

struct config : caf::actor_system_config {
  config() {
    add_terrace_types(*this);
    set("scheduler.policy", caf::atom("sharing"));
  }
};

/// An answer that is received later.
template <class R>
using pending
  = caf::response_handle<caf::blocking_actor, caf::detail::type_list<R>, true>;

std::string key(std::string_view name) {
  return qualify(0, name);
}

entry make(std::string_view name, version_t version,
           std::string_view value = "value") {
  return {key(name), {blob::copy(value), version, 0, {}}};
}

struct fixture {
  config cfg;
  caf::actor_system sys{cfg};
  caf::scoped_actor self{sys};
  redis_server server;
  redis_options opts;
  compression_options compression;
  tier_handle tier;

  fixture() {
    opts.url = server.url();
    opts.breaker_open_for = 100ms;
  }

  ~fixture() {
    server.thaw();
    if (tier.actor)
      self->send_exit(tier.actor, caf::exit_reason::user_shutdown);
  }

  void start() {
    auto x = spawn_redis_tier(sys, opts, compression, system_now_ms);
    if (!x)
      CAF_FAIL(to_string(x.error()));
    tier = *std::move(x);
  }

  template <class R, class... Ts>
  R ask(Ts... xs) {
    R result{};
    self->request(tier.actor, deadline, xs...)
      .receive([&](R& x) { result = std::move(x); },
               [&](caf::error& x) { CAF_FAIL(sys.render(x)); });
    return result;
  }

  lookup find(std::string_view name) {
    return ask<lookups>(fetch_atom_v, keys{key(name)}).at(0);
  }

  store_report store(entry x) {
    return ask<store_report>(store_atom_v, entry_batch{{std::move(x)}});
  }

  remove_report remove(std::string_view name, version_t version) {
    return ask<remove_report>(remove_atom_v, removals{{key(name), version}});
  }

  /// One of the figures beyond the common ones, zero if it is not there.
  std::uint64_t figure(const char* name) {
    auto x = status();
    return x.extra[name];
  }

  tier_status status() {
    return ask<tier_status>(status_atom_v);
  }

  /// Waits until the tier's state is `x`.
  void await(std::string_view x) {
    auto end = std::chrono::steady_clock::now() + deadline;
    while (status().state != x) {
      if (std::chrono::steady_clock::now() > end)
        CAF_FAIL("never " << x << ", but " << status().state << ": "
                          << status().reason);
      self->receive(caf::after(2ms) >> [] {});
    }
  }

  /// What the server itself holds under `name`.
  std::string in_server(const std::string& name) {
    auto bytes = server.run_command({"GET", "terrace:0:" + name});
    auto x = codec{compression}.decode(key(name), bytes);
    return x ? std::string{x->value.view()} : bytes;
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(redis_outage_tests, fixture)

CAF_TEST(everything works with a server that works) {
  start();
  entries xs;
  keys names;
  for (int i = 0; i < 3000; ++i) {
    xs.push_back(make("k" + std::to_string(i), 1, std::to_string(i)));
    names.push_back(xs.back().key);
  }
  CAF_CHECK_EQUAL(ask<store_report>(store_atom_v, entry_batch{xs}).stored,
                  3000u);
  auto found = ask<lookups>(fetch_atom_v, names);
  CAF_REQUIRE_EQUAL(found.size(), 3000u);
  for (int i = 0; i < 3000; ++i)
    if (found[i].data.value.view() != std::to_string(i))
      CAF_FAIL("wrong value for " << i);
  auto again = ask<store_report>(promote_atom_v, entry_batch{xs});
  CAF_CHECK_EQUAL(again.refused, 3000u);
  CAF_CHECK(remove("k0", 2).existed == std::vector<bool>{true});
  CAF_CHECK_EQUAL(ask<std::uint64_t>(count_atom_v, tenant_id{0}), 2999u);
  list_request page{0, "k299*", "", 10000};
  CAF_CHECK_EQUAL(ask<key_page>(list_atom_v, page).found.size(), 11u);
  selector what{selector::kind::prefix, 0, "k1"};
  CAF_CHECK_EQUAL(ask<std::uint64_t>(purge_atom_v, what, version_t{5}), 1111u);
  CAF_CHECK_EQUAL(ask<std::uint64_t>(count_atom_v, tenant_id{0}), 1888u);
  auto x = status();
  CAF_CHECK_EQUAL(x.state, "up");
  CAF_CHECK_EQUAL(x.hits, 3000u);
  CAF_CHECK_EQUAL(x.lookups, 3000u);
  CAF_CHECK_EQUAL(x.stores, 3000u);
}

CAF_TEST(a frozen server costs everybody one time limit and no more) {
  start();
  CAF_CHECK_EQUAL(store(make("a", 1)).stored, 1u);
  server.freeze();
  constexpr std::size_t rounds = 300;
  std::map<errc, std::size_t> outcomes;
  std::size_t open = 0;
  auto answered = [&](errc code) {
    ++outcomes[code];
    --open;
  };
  auto give_up = [&](caf::error& x) { CAF_FAIL(sys.render(x)); };
  std::vector<pending<lookups>> reads;
  std::vector<pending<store_report>> writes;
  std::vector<pending<remove_report>> removes;
  for (std::size_t i = 0; i < rounds; ++i) {
    auto name = "k" + std::to_string(i);
    reads.push_back(
      self->request(tier.actor, deadline, fetch_atom_v, keys{key(name)}));
    writes.push_back(self->request(tier.actor, deadline, store_atom_v,
                                   entry_batch{{make(name, 5)}}));
    removes.push_back(self->request(tier.actor, deadline, remove_atom_v,
                                    removals{{key("gone" + name), 5}}));
    open += 3;
  }
  for (auto& x : reads)
    x.receive([&](lookups& y) { answered(y.at(0).code); }, give_up);
  for (auto& x : writes)
    x.receive([&](store_report& y) { answered(y.why.code); }, give_up);
  for (auto& x : removes)
    x.receive([&](remove_report& y) { answered(y.why.code); }, give_up);
  CAF_CHECK_EQUAL(open, 0u);
  CAF_CHECK_EQUAL(outcomes[errc::timeout] + outcomes[errc::breaker_open],
                  3 * rounds);
  CAF_CHECK(outcomes[errc::timeout] > 0);
  // What was under way at that moment timed out: a job per connection, and the
  // writer cannot have had more than one. All others did not wait for a second.
  CAF_CHECK(outcomes[errc::breaker_open] > 0);
  auto x = status();
  CAF_CHECK(x.state != "up");
  CAF_CHECK(!tier.health->readable);
  CAF_CHECK_EQUAL(x.errors, rounds);
  CAF_CHECK_EQUAL(x.hits + x.misses + x.errors, x.lookups);
  CAF_CHECK_EQUAL(x.extra["breaker_opened"], 1u);
  // At most one time limit per connection: nobody queued for a second one.
  CAF_CHECK(x.extra["timeouts"] <= opts.connections + 1 + 5);
  server.thaw();
  await("up");
  CAF_CHECK_EQUAL(in_server("k0"), "value");
  CAF_CHECK_EQUAL(figure("missed_entries"), 0u);
  CAF_CHECK(find("k299").hit());
}

CAF_TEST(what changed while it was frozen is right when it is back) {
  start();
  CAF_CHECK_EQUAL(store(make("a", 1, "old")).stored, 1u);
  CAF_CHECK_EQUAL(store(make("b", 1, "old")).stored, 1u);
  CAF_CHECK_EQUAL(store(make("user:1", 1, "old")).stored, 1u);
  server.freeze();
  CAF_CHECK_EQUAL(store(make("a", 5, "new")).failed, 1u);
  CAF_CHECK(static_cast<bool>(remove("b", 6).why));
  selector users{selector::kind::prefix, 0, "user:"};
  self->request(tier.actor, deadline, purge_atom_v, users, version_t{7})
    .receive([](std::uint64_t) { CAF_FAIL("purged a frozen server"); },
             [](caf::error&) {});
  server.thaw();
  // Until it is up again there are errors, and never what was old.
  for (;;) {
    auto a = find("a");
    auto b = find("b");
    auto user = find("user:1");
    CAF_CHECK(!b.hit());
    CAF_CHECK(!user.hit());
    if (a.hit()) {
      CAF_CHECK(a.data.value.view() == "new");
      break;
    }
    CAF_CHECK(a.what == lookup::outcome::error);
    self->receive(caf::after(2ms) >> [] {});
  }
  CAF_CHECK_EQUAL(in_server("a"), "new");
  CAF_CHECK_EQUAL(in_server("b"), "(nil)");
  CAF_CHECK_EQUAL(in_server("user:1"), "(nil)");
  CAF_CHECK_EQUAL(figure("replayed"), 3u);
}

CAF_TEST(a server that was killed is found again after its restart) {
  start();
  store(make("a", 1));
  // The first probe must be over, lest it counts.
  while (figure("server_memory_bytes") == 0)
    self->receive(caf::after(2ms) >> [] {});
  server.kill();
  std::size_t failures = 0;
  while (status().state == "up") {
    CAF_CHECK(find("a").what == lookup::outcome::error);
    ++failures;
  }
  CAF_CHECK_EQUAL(failures, opts.breaker_failures);
  CAF_CHECK(find("a").code == errc::breaker_open);
  CAF_CHECK_EQUAL(store(make("b", 2)).failed, 1u);
  server.start();
  await("up");
  CAF_CHECK_EQUAL(in_server("b"), "value");
  CAF_CHECK(find("b").hit());
  CAF_CHECK(find("a").what == lookup::outcome::miss);
}

CAF_TEST(a server that comes later than the node is found) {
  server.kill();
  start();
  await("down");
  CAF_CHECK(!tier.health->readable);
  CAF_CHECK_EQUAL(store(make("early", 1)).failed, 1u);
  server.start();
  await("up");
  CAF_CHECK(tier.health->readable);
  CAF_CHECK(find("early").hit());
}

CAF_TEST(a full server goes on serving and is brought up to date later) {
  start();
  store(make("a", 1, "old"));
  store(make("b", 1, "other"));
  server.run_command({"CONFIG", "SET", "maxmemory", "1"});
  auto report = store(make("a", 2, "new"));
  CAF_CHECK(report.why.code == errc::no_space);
  CAF_CHECK(find("a").what == lookup::outcome::miss);
  CAF_CHECK(find("b").hit());
  CAF_CHECK_EQUAL(status().state, "degraded");
  server.run_command({"CONFIG", "SET", "maxmemory", "0"});
  await("up");
  CAF_CHECK(find("a").data.value.view() == "new");
}

CAF_TEST(a wrong password is the reason that the status gives) {
  server.run_command({"CONFIG", "SET", "requirepass", "secret"});
  opts.url = server.tcp_url(":wrong@");
  start();
  await("down");
  auto reason = status().reason;
  CAF_CHECK(reason.find("WRONGPASS") != std::string::npos);
  CAF_CHECK(reason.find("secret") == std::string::npos);
}

CAF_TEST(the end is not held up by a frozen server) {
  opts.command_timeout = 300ms;
  start();
  find("a");
  server.freeze();
  auto reading = self->request(tier.actor, deadline, fetch_atom_v,
                               keys{key("a")});
  auto writing = self->request(tier.actor, deadline, store_atom_v,
                               entry_batch{{make("a", 1)}});
  self->send_exit(tier.actor, caf::exit_reason::user_shutdown);
  reading.receive(
    [](lookups& x) { CAF_CHECK(x.at(0).code == errc::shutting_down); },
    [&](caf::error& x) { CAF_FAIL(sys.render(x)); });
  writing.receive(
    [](store_report& x) { CAF_CHECK(x.why.code == errc::shutting_down); },
    [&](caf::error& x) { CAF_FAIL(sys.render(x)); });
}

CAF_TEST_FIXTURE_SCOPE_END()
