#include "tools/common/node_stats.hpp"

#include <nlohmann/json.hpp>

namespace terrace {

namespace {

using nlohmann::json;

latency_figures latency_of(const json& x) {
  auto ns = [&](const char* name) { return x.at(name).get<double>() * 1e6; };
  return {x.at("count"), ns("avg"), ns("p50"), ns("p95"), ns("p99")};
}

tier_figures tier_of(const json& x) {
  tier_figures result;
  result.tier = x.at("tier");
  result.state = x.at("state");
  result.reason = x.at("reason");
  result.lookups = x.at("lookups");
  result.hits = x.at("hits");
  result.misses = x.at("misses");
  result.errors = x.at("errors");
  result.skipped = x.at("skipped");
  result.stores = x.at("stores");
  result.evictions = x.at("evictions");
  result.entries = x.at("entries");
  result.bytes = x.at("bytes");
  result.fetch = latency_of(x.at("fetch_latency_ms"));
  if (x.contains("compression") && x["compression"].at("ratio").is_number())
    result.compression_ratio = x["compression"]["ratio"].get<double>();
  return result;
}

} // namespace

expected<node_stats> parse_stats(std::string_view text) {
  try {
    auto x = json::parse(text);
    node_stats result;
    result.version = x.at("node").at("version");
    result.uptime_s = x["node"].at("uptime_s");
    result.status = x.at("status");
    auto& requests = x.at("requests");
    result.requests = requests.at("total");
    result.hits = requests.at("hits");
    result.misses = requests.at("misses");
    result.errors = requests.at("errors");
    for (auto& tier : x.at("tiers"))
      result.tiers.push_back(tier_of(tier));
    for (auto& actor : x.at("actors"))
      result.actors[actor.at("name")] = actor.at("counters");
    result.silent = x.at("silent");
    return result;
  } catch (const json::exception& why) {
    return failure{errc::protocol_violation, why.what()};
  }
}

} // namespace terrace
