#include "tools/bench/replay_report.hpp"

#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

namespace terrace::bench {

namespace {

std::optional<double> share(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0)
    return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

std::string tier_table(const node_stats& x, std::uint64_t requests) {
  text_table result{{"tier", "lookups", "hits", "hit rate", "of all requests",
                     "errors", "skipped", "entries", "size"}};
  for (auto& tier : x.tiers)
    result.add({tier.tier, count_text(tier.lookups), count_text(tier.hits),
                percent_text(share(tier.hits, tier.lookups)),
                percent_text(share(tier.hits, requests)),
                count_text(tier.errors), count_text(tier.skipped),
                count_text(tier.entries), bytes_text(tier.bytes)});
  return result.str();
}

std::string line(const std::string& name, const std::string& value,
                 const std::string& remark = {}) {
  auto result = name + std::string(18 - name.size(), ' ') + value;
  return result + (remark.empty() ? "" : "  (" + remark + ')') + '\n';
}

} // namespace

double replay_report::hit_rate() const {
  return 1 - share(origin_calls, requests).value_or(1);
}

double replay_report::latency_saved() const {
  auto without = static_cast<double>(requests) * origin_latency_ns;
  return without > 0 ? 1 - latencies.total() / without : 0;
}

node_stats difference(const node_stats& before, node_stats after) {
  for (auto& tier : after.tiers)
    for (auto& then : before.tiers)
      if (then.tier == tier.tier) {
        tier.lookups -= then.lookups;
        tier.hits -= then.hits;
        tier.misses -= then.misses;
        tier.errors -= then.errors;
        tier.skipped -= then.skipped;
        tier.stores -= then.stores;
        tier.evictions -= then.evictions;
      }
  after.requests -= before.requests;
  after.hits -= before.hits;
  after.misses -= before.misses;
  after.errors -= before.errors;
  return after;
}

std::string to_text(replay_report& x) {
  std::string result;
  result += line("trace", x.trace,
                 count_text(x.requests) + " requests, " + count_text(x.keys)
                   + " keys");
  result += line("target", x.target,
                 std::to_string(x.threads)
                   + (x.threads == 1 ? " thread" : " threads"));
  if (x.keys_before > 0)
    result += line("note", "the target held " + count_text(x.keys_before)
                             + " keys when it began, which makes hits; "
                               "--clear removes them");
  result += line("origin", duration_text(x.origin_latency_ns),
                 x.virtual_time ? "virtual time: added to what was measured, "
                                  "not waited for"
                                : "real time: waited for");
  result += '\n';
  if (x.figures)
    result += tier_table(*x.figures, x.requests);
  else
    result += "no figures per tier: " + x.no_figures + '\n';
  auto q = [&](double p) { return duration_text(x.latencies.quantile(p)); };
  result += '\n';
  result += line("hit rate", percent_text(x.hit_rate()), "all tiers together");
  result += line("origin calls", count_text(x.origin_calls),
                 percent_text(x.hit_rate()) + " saved");
  result += line("latency", "mean " + duration_text(x.latencies.mean())
                              + ", p50 " + q(0.5) + ", p95 " + q(0.95)
                              + ", p99 " + q(0.99));
  result += line("latency saved", percent_text(x.latency_saved()),
                 "against the origin for every request");
  auto per_second = static_cast<double>(x.requests) / x.elapsed_s;
  result
    += line("throughput",
            count_text(static_cast<std::uint64_t>(per_second)) + " requests/s",
            duration_text(x.elapsed_s * 1e9) + " in all");
  if (x.failures > 0)
    result += line("failures", count_text(x.failures),
                   "answered by the origin");
  if (x.wrong_values > 0)
    result += line("WRONG VALUES", count_text(x.wrong_values));
  return result;
}

std::string to_json(replay_report& x) {
  using json = nlohmann::ordered_json;
  auto ms = [](double ns) { return ns / 1e6; };
  json result{{"trace", x.trace},
              {"target", x.target},
              {"requests", x.requests},
              {"keys", x.keys},
              {"keys_before", x.keys_before},
              {"threads", x.threads},
              {"origin_latency_ms", ms(x.origin_latency_ns)},
              {"virtual_time", x.virtual_time},
              {"hit_rate", x.hit_rate()},
              {"origin_calls", x.origin_calls},
              {"origin_load_saved", x.hit_rate()},
              {"latency_ms",
               {{"mean", ms(x.latencies.mean())},
                {"p50", ms(x.latencies.quantile(0.5))},
                {"p95", ms(x.latencies.quantile(0.95))},
                {"p99", ms(x.latencies.quantile(0.99))}}},
              {"latency_saved", x.latency_saved()},
              {"failures", x.failures},
              {"wrong_values", x.wrong_values},
              {"elapsed_s", x.elapsed_s},
              {"tiers", json::array()}};
  if (x.figures)
    for (auto& tier : x.figures->tiers)
      result["tiers"].push_back({{"tier", tier.tier},
                                 {"lookups", tier.lookups},
                                 {"hits", tier.hits},
                                 {"misses", tier.misses},
                                 {"errors", tier.errors},
                                 {"skipped", tier.skipped},
                                 {"entries", tier.entries},
                                 {"bytes", tier.bytes}});
  return result.dump(2, ' ', false, json::error_handler_t::replace) + '\n';
}

} // namespace terrace::bench
