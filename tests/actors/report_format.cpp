// A small report as JSON. Latencies: 900 ns falls into the bucket that ends at
// 1023 ns, 3 ms into the one that ends at 3145727 ns.
#define CAF_SUITE actors.report_format

#include "actors/report_format.hpp"

#include <caf/test/unit_test.hpp>

#include <nlohmann/json.hpp>

using namespace terrace;
using nlohmann::json;

namespace {

histogram latencies(std::initializer_list<std::uint64_t> ns) {
  latency_recorder result;
  for (auto x : ns)
    result.record(std::chrono::nanoseconds(x));
  return result.snapshot();
}

node_report small_report() {
  tier_status memory;
  memory.tier = tier_kind::memory;
  memory.lookups = 10;
  memory.hits = 8;
  memory.misses = 2;
  memory.evictions = 3;
  memory.entries = 5;
  memory.bytes = 640;
  memory.fetch_latency = latencies({900});
  tier_status redis;
  redis.tier = tier_kind::redis;
  redis.state = "down";
  redis.reason = "Connection refused";
  redis.skipped = 2;
  tier_status disk;
  disk.tier = tier_kind::disk;
  disk.lookups = 2;
  disk.hits = 1;
  disk.errors = 1;
  disk.fetch_latency = latencies({3'000'000});
  disk.extra
    = {{"compressed", 4}, {"raw_bytes", 4000}, {"compressed_bytes", 1000}};
  node_report result;
  result.started_ms = 1'000;
  result.taken_ms = 21'500;
  result.tiers = {memory, redis, disk};
  result.actors = {{"coordinator.0", {{"misses", 1}}, {}}};
  result.requests = 10;
  result.request_hits = 9;
  result.request_errors = 1;
  return result;
}

const report_context context{"1.2.3", 11'500};

json stats() {
  return json::parse(stats_json(small_report(), context));
}

} // namespace

CAF_TEST(stats say which node they come from) {
  auto node = stats()["node"];
  CAF_CHECK_EQUAL(node["version"], "1.2.3");
  CAF_CHECK_EQUAL(node["uptime_s"], 20);
  CAF_CHECK_EQUAL(node["counting_since_ms"], 11'500);
}

CAF_TEST(requests are counted once with a combined hit rate) {
  auto requests = stats()["requests"];
  CAF_CHECK_EQUAL(requests["total"], 10);
  CAF_CHECK_EQUAL(requests["hits"], 9);
  CAF_CHECK_EQUAL(requests["hit_rate"], 0.9);
}

CAF_TEST(tiers stand in the order of the chain with their figures) {
  auto tiers = stats()["tiers"];
  CAF_REQUIRE_EQUAL(tiers.size(), 3u);
  CAF_CHECK_EQUAL(tiers[0]["tier"], "memory");
  CAF_CHECK_EQUAL(tiers[0]["level"], 1);
  CAF_CHECK_EQUAL(tiers[0]["hit_rate"], 0.8);
  CAF_CHECK_EQUAL(tiers[0]["evictions"], 3);
  CAF_CHECK_EQUAL(tiers[0]["bytes"], 640);
  CAF_CHECK_EQUAL(tiers[1]["state"], "down");
  CAF_CHECK_EQUAL(tiers[1]["reason"], "Connection refused");
  CAF_CHECK_EQUAL(tiers[1]["skipped"], 2);
  CAF_CHECK_EQUAL(tiers[2]["level"], 3);
  CAF_CHECK_EQUAL(tiers[2]["errors"], 1);
}

CAF_TEST(latencies are milliseconds) {
  auto latency = stats()["tiers"][2]["fetch_latency_ms"];
  CAF_CHECK_EQUAL(latency["count"], 1);
  CAF_CHECK_EQUAL(latency["avg"], 3.0);
  CAF_CHECK_EQUAL(latency["p50"], 3.145727);
  CAF_CHECK_EQUAL(latency["p99"], 3.145727);
}

CAF_TEST(a rate of nothing is null) {
  CAF_CHECK(stats()["tiers"][1]["hit_rate"].is_null());
  CAF_CHECK(stats_json({}, context).find("\"hit_rate\": null")
            != std::string::npos);
}

CAF_TEST(a tier that compresses tells its ratio) {
  auto tiers = stats()["tiers"];
  CAF_CHECK_EQUAL(tiers[2]["compression"]["ratio"], 4.0);
  CAF_CHECK(!tiers[0].contains("compression"));
}

CAF_TEST(actors bring their counters) {
  auto actor = stats()["actors"][0];
  CAF_CHECK_EQUAL(actor["name"], "coordinator.0");
  CAF_CHECK_EQUAL(actor["counters"]["misses"], 1);
}

CAF_TEST(performance counts per second since counting began) {
  auto x = json::parse(performance_json(small_report(), context));
  CAF_CHECK_EQUAL(x["window_s"], 10.0);
  CAF_CHECK_EQUAL(x["requests_per_s"], 1.0);
  CAF_CHECK_EQUAL(x["tiers"][0]["lookups_per_s"], 1.0);
  CAF_CHECK_EQUAL(x["tiers"][0]["hit_rate"], 0.8);
}

CAF_TEST(health is ok only if all tiers are up and nobody is silent) {
  auto x = small_report();
  CAF_CHECK_EQUAL(health_of(x), node_health::degraded);
  x.tiers[1].state = "up";
  CAF_CHECK_EQUAL(health_of(x), node_health::ok);
  x.silent = {"coordinator.0"};
  CAF_CHECK_EQUAL(health_of(x), node_health::degraded);
}

CAF_TEST(health is down if no tier serves) {
  auto x = small_report();
  for (auto& tier : x.tiers)
    tier.state = "down";
  CAF_CHECK_EQUAL(health_of(x), node_health::down);
  CAF_CHECK_EQUAL(health_of({}), node_health::down);
}

CAF_TEST(health names the state of every tier and its reason) {
  auto x = json::parse(health_json(small_report(), context));
  CAF_CHECK_EQUAL(x["status"], "degraded");
  CAF_CHECK_EQUAL(x["uptime_s"], 20);
  CAF_CHECK_EQUAL(x["tiers"][0]["state"], "up");
  CAF_CHECK_EQUAL(x["tiers"][1]["tier"], "redis");
  CAF_CHECK_EQUAL(x["tiers"][1]["reason"], "Connection refused");
}

CAF_TEST(an invalidation tells what it removed and what is pending) {
  invalidation_report report{{{"memory", 3}, {"disk", 4}}, {"redis"}};
  auto x = json::parse(invalidation_json(report));
  CAF_CHECK_EQUAL(x["removed"]["memory"], 3);
  CAF_CHECK_EQUAL(x["removed"]["disk"], 4);
  CAF_CHECK_EQUAL(x["pending"], json::array({"redis"}));
  auto none = json::parse(invalidation_json({}));
  CAF_CHECK_EQUAL(none["removed"], json::object());
}

CAF_TEST(errors have a code and a message) {
  auto x = json::parse(error_json("too_large", "Say \"less\"."));
  CAF_CHECK_EQUAL(x["error"]["code"], "too_large");
  CAF_CHECK_EQUAL(x["error"]["message"], "Say \"less\".");
}

CAF_TEST(text in another encoding is repaired) {
  auto x = small_report();
  x.tiers[1].reason = "bad \xff byte";
  auto repaired = json::parse(stats_json(x, context));
  CAF_CHECK_EQUAL(repaired["tiers"][1]["reason"], "bad \xef\xbf\xbd byte");
}
