#include "actors/report_format.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace terrace {

namespace {

// Keeps members in the order in which people read them.
using json = nlohmann::ordered_json;

std::string text_of(const json& x) {
  return x.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

json to_json(const std::optional<double>& x) {
  return x ? json(*x) : json(nullptr);
}

double to_ms(double ns) {
  return ns / 1e6;
}

json latency_json(const histogram& x) {
  auto quantile = [&](double q) {
    return to_ms(static_cast<double>(x.quantile_ns(q)));
  };
  return {{"count", x.count()},
          {"avg", to_ms(x.mean_ns())},
          {"p50", quantile(0.5)},
          {"p95", quantile(0.95)},
          {"p99", quantile(0.99)}};
}

json ages_json(const std::map<std::string, histogram>& xs) {
  json result = json::object();
  auto seconds = [](auto ms) { return static_cast<double>(ms) / 1e3; };
  for (auto& [name, x] : xs)
    result[name] = {{"count", x.count()},
                    {"avg", seconds(x.mean_ns())},
                    {"p50", seconds(x.quantile_ns(0.5))},
                    {"p95", seconds(x.quantile_ns(0.95))},
                    {"p99", seconds(x.quantile_ns(0.99))}};
  return result;
}

std::uint64_t extra_of(const tier_status& x, const char* name) {
  auto i = x.extra.find(name);
  return i == x.extra.end() ? 0 : i->second;
}

json head_json(const node_report& x, const report_context& ctx) {
  return {{"version", ctx.version},
          {"started_ms", x.started_ms},
          {"taken_ms", x.taken_ms},
          {"counting_since_ms", ctx.counting_since_ms},
          {"uptime_s", (x.taken_ms - x.started_ms) / 1000}};
}

json requests_json(const node_report& x) {
  return {{"total", x.requests},
          {"hits", x.request_hits},
          {"misses", x.request_misses},
          {"errors", x.request_errors},
          {"hit_rate", to_json(hit_rate(x.request_hits, x.requests))}};
}

json tier_json(const tier_status& x, std::size_t level) {
  json result{{"tier", to_string(x.tier)},
              {"level", level},
              {"state", x.state},
              {"reason", x.reason},
              {"lookups", x.lookups},
              {"hits", x.hits},
              {"misses", x.misses},
              {"errors", x.errors},
              {"skipped", x.skipped},
              {"hit_rate", to_json(hit_rate(x.hits, x.lookups))},
              {"stores", x.stores},
              {"store_errors", x.store_errors},
              {"removes", x.removes},
              {"evictions", x.evictions},
              {"expirations", x.expirations},
              {"entries", x.entries},
              {"bytes", x.bytes},
              {"capacity_bytes", x.capacity_bytes},
              {"fetch_latency_ms", latency_json(x.fetch_latency)},
              {"store_latency_ms", latency_json(x.store_latency)}};
  if (x.extra.contains("raw_bytes"))
    result["compression"]
      = {{"compressed", extra_of(x, "compressed")},
         {"incompressible", extra_of(x, "incompressible")},
         {"raw_bytes", extra_of(x, "raw_bytes")},
         {"compressed_bytes", extra_of(x, "compressed_bytes")},
         {"ratio", to_json(compression_ratio(x))}};
  if (!x.ages.empty())
    result["ages_s"] = ages_json(x.ages);
  result["extra"] = json::object();
  for (auto& [name, value] : x.extra)
    result["extra"][name] = value;
  return result;
}

json actor_json(const actor_status& x) {
  json counters = json::object();
  for (auto& [name, value] : x.counters)
    counters[name] = value;
  json result{{"name", x.name}, {"counters", std::move(counters)}};
  if (x.latency.count() > 0)
    result["latency_ms"] = latency_json(x.latency);
  return result;
}

bool serves(const tier_status& x) {
  return x.state == "up" || x.state == "degraded";
}

} // namespace

std::string_view to_string(node_health x) noexcept {
  switch (x) {
    case node_health::ok:
      return "ok";
    case node_health::degraded:
      return "degraded";
    default:
      return "down";
  }
}

node_health health_of(const node_report& x) {
  if (std::none_of(x.tiers.begin(), x.tiers.end(), serves))
    return node_health::down;
  auto up = [](auto& tier) { return tier.state == "up"; };
  if (x.silent.empty() && std::all_of(x.tiers.begin(), x.tiers.end(), up))
    return node_health::ok;
  return node_health::degraded;
}

std::optional<double> hit_rate(std::uint64_t hits, std::uint64_t lookups) {
  if (lookups == 0)
    return std::nullopt;
  return static_cast<double>(hits) / static_cast<double>(lookups);
}

std::optional<double> compression_ratio(const tier_status& x) {
  auto after = extra_of(x, "compressed_bytes");
  if (after == 0)
    return std::nullopt;
  return static_cast<double>(extra_of(x, "raw_bytes"))
         / static_cast<double>(after);
}

std::string stats_json(const node_report& x, const report_context& ctx) {
  json result{
    {"node", head_json(x, ctx)},    {"status", to_string(health_of(x))},
    {"requests", requests_json(x)}, {"tiers", json::array()},
    {"actors", json::array()},      {"silent", x.silent}};
  for (std::size_t i = 0; i < x.tiers.size(); ++i)
    result["tiers"].push_back(tier_json(x.tiers[i], i + 1));
  for (auto& actor : x.actors)
    result["actors"].push_back(actor_json(actor));
  return text_of(result);
}

std::string performance_json(const node_report& x, const report_context& ctx) {
  auto seconds = static_cast<double>(x.taken_ms - ctx.counting_since_ms)
                 / 1000.0;
  auto per_second = [=](std::uint64_t n) {
    return seconds > 0 ? json(static_cast<double>(n) / seconds) : json(nullptr);
  };
  json result{{"window_s", seconds},
              {"requests_per_s", per_second(x.requests)},
              {"hit_rate", to_json(hit_rate(x.request_hits, x.requests))},
              {"tiers", json::array()}};
  for (auto& tier : x.tiers)
    result["tiers"].push_back(
      {{"tier", to_string(tier.tier)},
       {"hit_rate", to_json(hit_rate(tier.hits, tier.lookups))},
       {"lookups_per_s", per_second(tier.lookups)},
       {"stores_per_s", per_second(tier.stores)},
       {"evictions_per_s", per_second(tier.evictions)},
       {"errors_per_s", per_second(tier.errors + tier.store_errors)},
       {"fetch_latency_ms", latency_json(tier.fetch_latency)},
       {"store_latency_ms", latency_json(tier.store_latency)}});
  return text_of(result);
}

std::string health_json(const node_report& x, const report_context& ctx) {
  json result{{"status", to_string(health_of(x))},
              {"version", ctx.version},
              {"uptime_s", (x.taken_ms - x.started_ms) / 1000},
              {"tiers", json::array()},
              {"silent", x.silent}};
  for (auto& tier : x.tiers)
    result["tiers"].push_back({{"tier", to_string(tier.tier)},
                               {"state", tier.state},
                               {"reason", tier.reason}});
  return text_of(result);
}

std::string invalidation_json(const invalidation_report& x) {
  json removed = json::object();
  for (auto& [tier, n] : x.removed)
    removed[tier] = n;
  return text_of({{"removed", std::move(removed)}, {"pending", x.pending}});
}

std::string error_json(std::string_view code, std::string_view message) {
  return text_of({{"error", {{"code", code}, {"message", message}}}});
}

} // namespace terrace
