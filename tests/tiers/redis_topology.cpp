// Without servers; real ones are in tests/scenario/redis_*.py.
#define CAF_SUITE tiers.redis_topology

#include "tests/support/topology.hpp"
#include "tiers/redis_slots.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;
using namespace std::chrono_literals;

namespace {

using kind = redis_reply::kind;

const redis_node::time_point t0{};

const failure refused{errc::unavailable, "Connection refused"};
const failure late{errc::timeout, "no answer in time"};

redis_address at(std::uint16_t port) {
  redis_address result;
  result.host = "10.0.0.1";
  result.port = port;
  return result;
}

redis_options mode(std::string x) {
  redis_options result;
  result.mode = std::move(x);
  return result;
}

std::vector<std::string> names(const redis_topology& x) {
  std::vector<std::string> result;
  for (auto& node : x.map()->servers)
    result.push_back(node->name());
  return result;
}

redis_reply number(std::int64_t x) {
  return {kind::integer, {}, x, {}};
}

redis_reply text(std::string_view x) {
  return {kind::text, x, 0, {}};
}

redis_reply array(std::vector<redis_reply> xs) {
  return {kind::array, {}, 0, std::move(xs)};
}

} // namespace

// -- one server ---------------------------------------------------------------

CAF_TEST(a server that hangs is left alone after one timeout) {
  redis_node uut{at(1), 3, 500ms};
  CAF_CHECK(uut.admit(t0, false));
  uut.failed(late, t0);
  CAF_CHECK(uut.down());
  CAF_CHECK(!uut.admit(t0 + 499ms, false));
  CAF_CHECK(uut.reason().detail.starts_with("10.0.0.1:1 is down"));
}

CAF_TEST(refusals are borne a few times) {
  redis_node uut{at(1), 3, 500ms};
  uut.failed(refused, t0);
  uut.failed(refused, t0);
  uut.answered();
  uut.failed(refused, t0);
  uut.failed(refused, t0);
  CAF_CHECK(!uut.down());
  uut.failed(refused, t0);
  CAF_CHECK(uut.down());
}

CAF_TEST(one batch finds out whether a server is back) {
  redis_node uut{at(1), 1, 500ms};
  uut.failed(refused, t0);
  CAF_CHECK(uut.admit(t0 + 500ms, false));
  CAF_CHECK(!uut.admit(t0 + 500ms, false));
  uut.failed(refused, t0 + 500ms);
  CAF_CHECK(!uut.admit(t0 + 900ms, false));
  CAF_CHECK(uut.admit(t0 + 1000ms, false));
  uut.answered();
  CAF_CHECK(!uut.down());
  CAF_CHECK(uut.admit(t0 + 1000ms, false));
}

CAF_TEST(an urgent batch is let through and counts) {
  redis_node uut{at(1), 1, 500ms};
  uut.failed(refused, t0);
  CAF_CHECK(uut.admit(t0, true));
  CAF_CHECK(uut.admit(t0, true));
  uut.answered();
  CAF_CHECK(!uut.down());
}

// -- several ------------------------------------------------------------------

CAF_TEST(shards stand in order whatever the configuration) {
  redis_topology uut{
    mode("sharded"), {at(3), at(1), at(2)}, std::make_shared<redis_figures>()};
  CAF_CHECK_EQUAL(names(uut), (std::vector<std::string>{
                                "10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"}));
  CAF_CHECK(uut.divided());
  CAF_CHECK(uut.some_up());
  CAF_CHECK_EQUAL(uut.down(), 0u);
}

CAF_TEST(trouble names the servers that are down) {
  redis_topology uut{
    mode("sharded"), {at(1), at(2)}, std::make_shared<redis_figures>()};
  CAF_CHECK_EQUAL(uut.trouble(), "");
  uut.map()->servers[1]->failed(late, t0);
  CAF_CHECK(uut.trouble().starts_with("1 of 2 servers: 10.0.0.1:2 is down"));
  counter_map extra;
  uut.fill(extra);
  CAF_CHECK_EQUAL(extra["servers"], 2u);
  CAF_CHECK_EQUAL(extra["servers_down"], 1u);
  uut.map()->servers[0]->failed(late, t0);
  CAF_CHECK(!uut.some_up());
}

CAF_TEST(a single server is no part of anything) {
  redis_topology uut{
    redis_options{}, {at(1)}, std::make_shared<redis_figures>()};
  CAF_CHECK(!uut.divided());
  CAF_CHECK(!uut.some_up());
  counter_map extra;
  uut.fill(extra);
  CAF_CHECK(extra.empty());
}

CAF_TEST(what moves is found at its new server) {
  redis_topology uut{
    mode("cluster"), {at(9)}, std::make_shared<redis_figures>()};
  CAF_CHECK(uut.map()->servers.empty());
  auto version = uut.version();
  uut.moved(7, at(2));
  uut.moved(8, at(3));
  // One that comes first in order: the indices of the others change.
  uut.moved(9, at(1));
  CAF_CHECK(uut.version() > version);
  auto map = uut.map();
  auto server_of = [&](std::uint16_t slot) {
    return map->servers[map->slots[slot]]->where().port;
  };
  CAF_CHECK_EQUAL(server_of(7), 2);
  CAF_CHECK_EQUAL(server_of(8), 3);
  CAF_CHECK_EQUAL(server_of(9), 1);
  CAF_CHECK_EQUAL(map->slots[10], redis_map::nobody);
  // The same server, breaker and all.
  auto node = map->servers[map->slots[7]];
  uut.moved(10, at(2));
  CAF_CHECK_EQUAL(uut.map()->servers.size(), 3u);
  CAF_CHECK(uut.map()->servers[uut.map()->slots[10]] == node);
}

// -- CLUSTER SLOTS ------------------------------------------------------------

CAF_TEST(slots are read with their masters) {
  auto replica = array({text("10.0.0.9"), number(1), text("id")});
  auto reply
    = array({array({number(0), number(99),
                    array({text("10.0.0.1"), number(1), text("id"), array({})}),
                    replica}),
             array({number(100), number(16383),
                    array({text(""), number(2), text("id")})})});
  auto ranges = read_slot_ranges(reply, "10.0.0.5");
  CAF_REQUIRE(ranges);
  CAF_CHECK((*ranges
             == std::vector<redis_slot_range>{{0, 99, "10.0.0.1", 1},
                                              {100, 16383, "10.0.0.5", 2}}));
}

CAF_TEST(a reply that is not about slots breaks the protocol) {
  auto master = array({text("h"), number(1)});
  for (auto& x :
       {text("x"), array({text("x")}), array({array({number(0), number(1)})}),
        array({array({number(1), number(0), master})}),
        array({array({number(0), number(16384), master})}),
        array({array({number(-1), number(3), master})}),
        array({array({number(0), number(3), array({text("h")})})}),
        array({array(
          {number(0), number(3), array({text("h"), number(65536)})})})}) {
    auto ranges = read_slot_ranges(x, "h");
    CAF_CHECK(!ranges);
    CAF_CHECK(!ranges && ranges.error().code == errc::protocol_violation);
  }
}
