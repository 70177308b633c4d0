// The text that Prometheus reads, against literals and against its grammar.
#define CAF_SUITE actors.prometheus_format

#include "actors/prometheus_format.hpp"

#include <caf/test/unit_test.hpp>

#include <map>
#include <set>
#include <sstream>

using namespace terrace;

namespace {

node_report small_report() {
  tier_status memory;
  memory.tier = tier_kind::memory;
  memory.hits = 8;
  memory.misses = 2;
  memory.bytes = 640;
  latency_recorder fetches;
  fetches.record(std::chrono::nanoseconds(90));  // bucket up to 95 ns
  fetches.record(std::chrono::nanoseconds(900)); // up to 1023 ns
  fetches.record(std::chrono::milliseconds(3));  // up to 3145727 ns
  fetches.record(std::chrono::seconds(10));
  memory.fetch_latency = fetches.snapshot();
  tier_status redis;
  redis.tier = tier_kind::redis;
  redis.state = "half-open";
  redis.errors = 7;
  redis.extra = {{"server_keys", 12}};
  node_report result;
  result.started_ms = 1'500;
  result.tiers = {memory, redis};
  result.actors = {{"odd \"name\"\\\n", {{"loads", 4}}, {}}};
  result.request_hits = 8;
  result.request_misses = 2;
  return result;
}

struct fixture {
  std::string text = prometheus_text(small_report(), "1.2.3");

  /// Value of the sample with this name and these labels, empty if absent.
  std::string value(const std::string& series) const {
    auto at = text.find('\n' + series + ' ');
    if (at == std::string::npos)
      return {};
    auto begin = at + series.size() + 2;
    return text.substr(begin, text.find('\n', begin) - begin);
  }

  std::string bucket(const std::string& le) const {
    return value("terrace_tier_fetch_duration_seconds_bucket{tier=\"memory\","
                 "le=\""
                 + le + "\"}");
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(prometheus_format_tests, fixture)

CAF_TEST(lookups have a tier and a level and an outcome) {
  auto lookups = [&](const std::string& labels) {
    return value("terrace_tier_lookups_total{" + labels + "}");
  };
  CAF_CHECK_EQUAL(lookups("tier=\"memory\",level=\"1\",outcome=\"hit\""), "8");
  CAF_CHECK_EQUAL(lookups("tier=\"memory\",level=\"1\",outcome=\"miss\""), "2");
  CAF_CHECK_EQUAL(lookups("tier=\"redis\",level=\"2\",outcome=\"error\""), "7");
}

CAF_TEST(gauges and states are there) {
  CAF_CHECK_EQUAL(value("terrace_tier_bytes{tier=\"memory\"}"), "640");
  CAF_CHECK_EQUAL(value("terrace_tier_up{tier=\"memory\"}"), "1");
  CAF_CHECK_EQUAL(value("terrace_tier_up{tier=\"redis\"}"), "0");
  CAF_CHECK_EQUAL(value("terrace_tier_state{tier=\"redis\",state="
                        "\"half-open\"}"),
                  "1");
  CAF_CHECK_EQUAL(value("terrace_tier_extra{tier=\"redis\",figure="
                        "\"server_keys\"}"),
                  "12");
  CAF_CHECK_EQUAL(value("terrace_start_time_seconds"), "1.5");
  CAF_CHECK_EQUAL(value("terrace_requests_total{outcome=\"hit\"}"), "8");
}

CAF_TEST(buckets are cumulative and end with everything) {
  CAF_CHECK_EQUAL(bucket("0.0000001"), "1");
  CAF_CHECK_EQUAL(bucket("0.0000005"), "1");
  CAF_CHECK_EQUAL(bucket("0.0000025"), "2");
  CAF_CHECK_EQUAL(bucket("0.0016"), "2");
  CAF_CHECK_EQUAL(bucket("0.0032"), "3");
  CAF_CHECK_EQUAL(bucket("3.2768"), "3");
  CAF_CHECK_EQUAL(bucket("+Inf"), "4");
  auto name = std::string{"terrace_tier_fetch_duration_seconds"};
  CAF_CHECK_EQUAL(value(name + "_count{tier=\"memory\"}"), "4");
  CAF_CHECK_EQUAL(value(name + "_sum{tier=\"memory\"}"), "10.00300099");
}

CAF_TEST(from a tenth of a millisecond on fifteen buckets double) {
  for (auto le : {"0.0001", "0.0002", "0.0004", "0.0008", "0.0016", "0.0032",
                  "0.0064", "0.0128", "0.0256", "0.0512", "0.1024", "0.2048",
                  "0.4096", "0.8192", "1.6384"})
    CAF_CHECK(!bucket(le).empty());
}

CAF_TEST(labels are escaped) {
  CAF_CHECK_EQUAL(escape_label("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
  CAF_CHECK_EQUAL(value("terrace_actor_figure{actor=\"odd "
                        "\\\"name\\\"\\\\\\n\",figure=\"loads\"}"),
                  "4");
}

CAF_TEST(every sample belongs to the family declared before it once) {
  std::istringstream in{text};
  std::set<std::string> families;
  std::string family;
  std::string type;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      CAF_CHECK(families.insert(family).second);
    } else if (line.starts_with("# TYPE ")) {
      type = line.substr(line.rfind(' ') + 1);
      CAF_CHECK(line.starts_with("# TYPE " + family + ' '));
    } else {
      auto name = line.substr(0, line.find_first_of("{ "));
      if (type == "histogram")
        name = name.substr(0, name.rfind('_'));
      CAF_CHECK_EQUAL(name, family);
      CAF_CHECK_EQUAL(family.ends_with("_total"), type == "counter");
    }
  }
}

CAF_TEST_FIXTURE_SCOPE_END()
