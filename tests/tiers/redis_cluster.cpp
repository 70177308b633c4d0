// A store over a cluster of two masters, whose slots the test moves by hand.
// Failover is in tests/scenario/redis_cluster.py.
#define CAF_SUITE tiers.redis_cluster

#include "tests/support/redis_server.hpp"
#include "tests/support/topology.hpp"
#include "tiers/redis_slots.hpp"
#include "tiers/redis_store.hpp"

#include <caf/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

using namespace terrace;
using namespace std::chrono_literals;
using test::redis_server;

namespace {

constexpr std::int64_t now = 1'700'000'000'000;

constexpr int count = 200;

const std::vector<std::string> clustered{
  "--cluster-enabled",      "yes", "--cluster-require-full-coverage", "no",
  "--cluster-node-timeout", "5000"};

std::string number(std::integral auto x) {
  return std::to_string(x);
}

struct fixture {
  redis_options opts;
  redis_server a{with_bus_port()};
  redis_server b{with_bus_port()};
  std::shared_ptr<redis_figures> figures = std::make_shared<redis_figures>();
  std::shared_ptr<redis_topology> topology;
  std::optional<redis_store> store;

  fixture() {
    // A holds the lower half, b the upper one.
    a.run_command({"CLUSTER", "SET-CONFIG-EPOCH", "1"});
    b.run_command({"CLUSTER", "SET-CONFIG-EPOCH", "2"});
    a.run_command({"CLUSTER", "ADDSLOTSRANGE", "0", "8191"});
    b.run_command({"CLUSTER", "ADDSLOTSRANGE", "8192", "16383"});
    auto bus = info(b, "@");
    a.run_command({"CLUSTER", "MEET", "127.0.0.1", number(b.port()), bus});
    settle("cluster_known_nodes:2");
    settle("cluster_slots_assigned:16384");
    settle("cluster_state:ok");
    opts.mode = "cluster";
    opts.max_batch = 64;
    opts.command_timeout = milliseconds{1000};
    topology = test::make_topology(opts, a.tcp_url());
    store.emplace(opts, topology,
                  std::make_shared<codec>(compression_options{}), figures,
                  "terrace-test");
  }

  /// The bus may not have the port plus 10,000, which need not exist.
  static std::vector<std::string> with_bus_port() {
    auto result = clustered;
    result.insert(result.end(),
                  {"--cluster-port", number(redis_server::free_port())});
    return result;
  }

  /// The number behind `mark` in what a server says of itself.
  static std::string info(redis_server& x, const char* mark) {
    auto text = x.run_command({"CLUSTER", "NODES"});
    auto first = text.find(mark) + 1;
    return text.substr(first, text.find_first_of(" ,", first) - first);
  }

  void settle(const char* wanted) {
    auto end = std::chrono::steady_clock::now() + 20s;
    auto settled = [&](redis_server& x) {
      return x.run_command({"CLUSTER", "INFO"}).find(wanted)
             != std::string::npos;
    };
    while (!settled(a) || !settled(b)) {
      if (std::chrono::steady_clock::now() > end)
        CAF_FAIL("no " << wanted);
      std::this_thread::sleep_for(10ms);
    }
  }

  static std::string key(int i) {
    return qualify(0, "key:" + number(i));
  }

  static std::uint16_t slot(int i) {
    return redis_slot_of("terrace:0:key:" + number(i));
  }

  /// A key of server a.
  static int mine() {
    int i = 0;
    while (slot(i) > 8191)
      ++i;
    return i;
  }

  std::vector<redis_store::put_outcome> put_all(version_t version) {
    entries xs;
    for (int i = 0; i < count; ++i)
      xs.push_back({key(i), {blob::copy(number(i)), version, 0, {"tag"}}});
    std::vector<const entry*> pointers;
    for (auto& x : xs)
      pointers.push_back(&x);
    return store->put_each(pointers, false, now);
  }

  bool stored(version_t version) {
    auto outcomes = put_all(version);
    return std::count(outcomes.begin(), outcomes.end(),
                      redis_store::put_outcome::stored)
           == count;
  }

  lookups fetch_all() {
    keys names;
    for (int i = 0; i < count; ++i)
      names.push_back(key(i));
    return store->fetch(names, now);
  }

  bool all_there() {
    auto found = fetch_all();
    for (int i = 0; i < count; ++i)
      if (!found[i].hit() || found[i].data.value.view() != number(i))
        return false;
    return true;
  }

  std::string id(redis_server& x) {
    return x.run_command({"CLUSTER", "MYID"});
  }

  void begin_move(std::uint16_t what) {
    b.run_command({"CLUSTER", "SETSLOT", number(what), "IMPORTING", id(a)});
    a.run_command({"CLUSTER", "SETSLOT", number(what), "MIGRATING", id(b)});
  }

  void move_keys(std::uint16_t what) {
    for (int i = 0; i < count; ++i)
      if (slot(i) == what)
        a.run_command({"MIGRATE", "127.0.0.1", number(b.port()),
                       "terrace:0:key:" + number(i), "0", "5000"});
  }

  void end_move(std::uint16_t what) {
    b.run_command({"CLUSTER", "SETSLOT", number(what), "NODE", id(b)});
    a.run_command({"CLUSTER", "SETSLOT", number(what), "NODE", id(b)});
  }

  std::uint64_t figure(const char* name) {
    counter_map all;
    figures->fill(all);
    return all[name];
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(redis_cluster_tests, fixture)

CAF_TEST(one seed is enough to find all servers) {
  CAF_CHECK(stored(1));
  CAF_CHECK(all_there());
  CAF_CHECK_EQUAL(topology->map()->servers.size(), 2u);
  CAF_CHECK_EQUAL(figure("moved"), 0u);
  auto in_a = std::stoi(a.run_command({"DBSIZE"}));
  auto in_b = std::stoi(b.run_command({"DBSIZE"}));
  CAF_CHECK_EQUAL(in_a + in_b, count);
  // A half of 200 and six standard deviations (7 each).
  CAF_CHECK(in_a > 58 && in_a < 142);
}

CAF_TEST(walks and purges visit all servers) {
  CAF_CHECK(stored(1));
  auto before = store->count(0);
  auto purged = store->purge({selector::kind::tag, 0, "tag"}, 9, now);
  auto after = store->count(0);
  CAF_CHECK_EQUAL(*before, 200u);
  CAF_CHECK_EQUAL(*purged, 200u);
  CAF_CHECK_EQUAL(*after, 0u);
}

CAF_TEST(keys of a slot on its way are found where they are) {
  CAF_CHECK(stored(1));
  auto what = slot(mine());
  begin_move(what);
  CAF_CHECK(all_there());
  CAF_CHECK_EQUAL(figure("asks"), 0u);
  move_keys(what);
  // Reads, and writes for which the other server needs the script.
  b.run_command({"SCRIPT", "FLUSH"});
  CAF_CHECK(all_there());
  CAF_CHECK(figure("asks") > 0);
  CAF_CHECK(stored(2));
  CAF_CHECK(all_there());
  // The slot is still the old server's.
  auto map = topology->map();
  CAF_CHECK_EQUAL(map->servers[map->slots[what]]->where().port, a.port());
  end_move(what);
  CAF_CHECK(all_there());
  CAF_CHECK(figure("moved") > 0);
  auto moved = figure("moved");
  CAF_CHECK(stored(3));
  CAF_CHECK(all_there());
  CAF_CHECK_EQUAL(figure("moved"), moved);
}

CAF_TEST(a batch stays in order while many slots move) {
  CAF_CHECK(stored(1));
  for (int i = 0; i < count; ++i)
    if (auto what = slot(i); what < 8192 && i % 3 != 0) {
      begin_move(what);
      move_keys(what);
      if (i % 2 == 0)
        end_move(what);
    }
  CAF_CHECK(all_there());
  CAF_CHECK(stored(2));
  CAF_CHECK(all_there());
  removal gone[] = {{key(1), 3}, {key(2), 3}, {qualify(0, "none"), 3}};
  using outcome = redis_store::remove_outcome;
  CAF_CHECK((store->remove_each(gone, now)
             == std::vector<outcome>{outcome::existed, outcome::existed,
                                     outcome::absent}));
}

CAF_TEST(a slot that nobody serves is an error of its keys within the limit) {
  CAF_CHECK(stored(1));
  auto lost = mine();
  for (auto* x : {&a, &b})
    x->run_command({"CLUSTER", "DELSLOTS", number(slot(lost))});
  auto begin = std::chrono::steady_clock::now();
  auto found = fetch_all();
  CAF_CHECK(std::chrono::steady_clock::now() - begin < 3s);
  for (int i = 0; i < count; ++i)
    CAF_CHECK_EQUAL(found[i].hit(), slot(i) != slot(lost));
  CAF_CHECK(found[lost].code == errc::unavailable);
}

CAF_TEST(a server that is no cluster is an error) {
  redis_server lone;
  auto other = test::make_topology(opts, lone.tcp_url());
  redis_store uut{opts, other, std::make_shared<codec>(compression_options{}),
                  figures, "terrace-test"};
  auto k = key(1);
  auto found = uut.fetch({&k, 1}, now);
  CAF_CHECK(found[0].what == lookup::outcome::error);
  CAF_CHECK(uut.last_failure().detail.find("cluster") != std::string::npos);
  CAF_CHECK(!uut.ping());
}

CAF_TEST_FIXTURE_SCOPE_END()
