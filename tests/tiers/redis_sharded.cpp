// A store over three independent servers, which stand up and fall one by one.
#define CAF_SUITE tiers.redis_sharded

#include "tests/support/redis_server.hpp"
#include "tests/support/topology.hpp"
#include "tiers/redis_store.hpp"

#include <caf/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <thread>

using namespace terrace;
using test::redis_server;

namespace {

constexpr std::int64_t now = 1'700'000'000'000;

constexpr int count = 300;

struct fixture {
  redis_options opts;
  std::array<redis_server, 3> servers;
  std::shared_ptr<redis_topology> topology;
  std::shared_ptr<redis_figures> figures = std::make_shared<redis_figures>();
  std::optional<redis_store> store;

  fixture() {
    opts.mode = "sharded";
    opts.max_batch = 128;
    opts.command_timeout = milliseconds{1000};
    opts.breaker_open_for = milliseconds{100};
    topology = test::make_topology(opts, servers[0].url() + ','
                                           + servers[1].tcp_url() + ','
                                           + servers[2].url());
    store.emplace(opts, topology,
                  std::make_shared<codec>(compression_options{}), figures,
                  "terrace-test");
  }

  static std::string key(int i) {
    return qualify(0, "key:" + std::to_string(i));
  }

  static keys all_keys() {
    keys result;
    for (int i = 0; i < count; ++i)
      result.push_back(key(i));
    return result;
  }

  std::vector<redis_store::put_outcome> put_all(version_t version) {
    entries xs;
    for (int i = 0; i < count; ++i)
      xs.push_back(
        {key(i), {blob::copy(std::to_string(i)), version, 0, {"tag"}}});
    std::vector<const entry*> pointers;
    for (auto& x : xs)
      pointers.push_back(&x);
    return store->put_each(pointers, false, now);
  }

  lookups fetch_all() {
    return store->fetch(all_keys(), now);
  }

  /// The number of keys that a server holds.
  int size_of(int i) {
    return std::stoi(servers[i].run_command({"DBSIZE"}));
  }
};

int hits(const lookups& xs) {
  return static_cast<int>(
    std::count_if(xs.begin(), xs.end(), [](auto& x) { return x.hit(); }));
}

int errors(const lookups& xs) {
  return static_cast<int>(std::count_if(xs.begin(), xs.end(), [](auto& x) {
    return x.what == lookup::outcome::error;
  }));
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(redis_sharded_tests, fixture)

CAF_TEST(keys spread and come back in order) {
  auto outcomes = put_all(1);
  CAF_CHECK_EQUAL(std::count(outcomes.begin(), outcomes.end(),
                             redis_store::put_outcome::stored),
                  count);
  int sum = 0;
  for (int i = 0; i < 3; ++i) {
    CAF_CHECK(size_of(i) > count / 6);
    sum += size_of(i);
  }
  CAF_CHECK_EQUAL(sum, count);
  auto found = fetch_all();
  for (int i = 0; i < count; ++i)
    CAF_CHECK(found[i].hit()
              && found[i].data.value.view() == std::to_string(i));
}

CAF_TEST(walks visit every server) {
  put_all(1);
  auto n = store->count(0);
  CAF_CHECK_EQUAL(*n, 300u);
  keys found;
  std::string cursor;
  for (bool done = false; !done;) {
    auto page = store->list(0, "*", cursor, 50, now);
    CAF_REQUIRE(page);
    found.insert(found.end(), page->found.begin(), page->found.end());
    cursor = page->next;
    CAF_CHECK(redis_store::is_cursor(cursor));
    done = page->done;
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  CAF_CHECK_EQUAL(found.size(), 300u);
  auto purged = store->purge({selector::kind::tag, 0, "tag"}, 9, now);
  CAF_CHECK_EQUAL(*purged, 300u);
  CAF_CHECK_EQUAL(hits(fetch_all()), 0);
}

CAF_TEST(a cursor of a server that is gone is no cursor) {
  CAF_CHECK(redis_store::is_cursor("12@host:1"));
  CAF_CHECK(!redis_store::is_cursor("@host:1"));
  auto page = store->list(0, "*", "0@elsewhere:1", 10, now);
  CAF_CHECK(!page);
  CAF_CHECK(!page && page.error().code == errc::unavailable);
}

CAF_TEST(figures are sums) {
  put_all(1);
  tier_status x;
  store->describe(x);
  CAF_CHECK_EQUAL(x.extra["server_keys"], 300u);
}

CAF_TEST(a dead server takes its keys with it and no others) {
  put_all(1);
  const int lost = size_of(1);
  servers[1].kill();
  for (int round = 0; round < 5; ++round) {
    auto found = fetch_all();
    CAF_CHECK_EQUAL(hits(found), count - lost);
    CAF_CHECK_EQUAL(errors(found), lost);
    CAF_CHECK(store->partly_up());
    auto outcomes = put_all(2);
    CAF_CHECK_EQUAL(std::count(outcomes.begin(), outcomes.end(),
                               redis_store::put_outcome::failed),
                    lost);
  }
  CAF_CHECK_EQUAL(topology->down(), 1u);
  removal gone[] = {{key(0), 3}, {key(1), 3}, {key(2), 3}, {key(3), 3}};
  auto found = fetch_all();
  auto removed = store->remove_each(gone, now);
  for (int i = 0; i < 4; ++i)
    CAF_CHECK((removed[i] == redis_store::remove_outcome::existed)
              == found[i].hit());
  CAF_CHECK(store->ping());
  CAF_CHECK(!store->ping_all());
  // It is back: a sign of life is enough.
  servers[1].start();
  CAF_CHECK(store->ping());
  CAF_CHECK_EQUAL(topology->down(), 0u);
  CAF_CHECK(store->ping_all());
  CAF_CHECK_EQUAL(errors(fetch_all()), 0);
}

CAF_TEST(a purge goes on where a server is dead and says so) {
  put_all(1);
  servers[0].kill();
  auto purged = store->purge({selector::kind::prefix, 0, "key:"}, 9, now);
  CAF_CHECK(!purged);
  CAF_CHECK_EQUAL(size_of(1) + size_of(2), 0);
  CAF_CHECK(!store->count(0));
}

CAF_TEST(a server that hangs costs one time limit) {
  put_all(1);
  servers[2].freeze();
  const int lost = count - size_of(0) - size_of(1);
  auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < 20; ++round)
    CAF_CHECK_EQUAL(hits(fetch_all()), count - lost);
  auto spent = std::chrono::steady_clock::now() - begin;
  // One limit of a second, and the probe that is due after it at most.
  CAF_CHECK(spent < std::chrono::milliseconds{2900});
  servers[2].thaw();
  CAF_CHECK(store->ping());
}

CAF_TEST(nothing works when all are dead) {
  for (auto& x : servers)
    x.kill();
  CAF_CHECK_EQUAL(errors(fetch_all()), count);
  CAF_CHECK_EQUAL(errors(fetch_all()), count);
  CAF_CHECK(!store->ping());
  CAF_CHECK(!store->partly_up());
}

CAF_TEST(a server that lost the script is given it again) {
  put_all(1);
  servers[0].run_command({"SCRIPT", "FLUSH"});
  servers[2].run_command({"SCRIPT", "FLUSH"});
  auto outcomes = put_all(2);
  CAF_CHECK_EQUAL(std::count(outcomes.begin(), outcomes.end(),
                             redis_store::put_outcome::stored),
                  count);
}

CAF_TEST_FIXTURE_SCOPE_END()
