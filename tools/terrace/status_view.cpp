#include "tools/terrace/status_view.hpp"

#include "tools/common/text_table.hpp"

namespace terrace {

namespace {

std::optional<double> share(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0)
    return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

std::string node_line(const node_stats& x) {
  return "node " + x.version + ", up " + uptime_text(x.uptime_s) + ", "
         + x.status + '\n';
}

std::string request_line(const node_stats& x) {
  return count_text(x.requests) + " requests, hits "
         + percent_text(share(x.hits, x.requests)) + ", misses "
         + percent_text(share(x.misses, x.requests)) + ", errors "
         + count_text(x.errors) + '\n';
}

std::string tier_table(const node_stats& x) {
  text_table result{{"tier", "state", "lookups", "hits", "hit rate", "errors",
                     "skipped", "entries", "size", "evicted", "avg", "p50",
                     "p95", "p99"}};
  for (auto& tier : x.tiers) {
    auto latency = [&](double ns) {
      return tier.fetch.count == 0 ? std::string{"-"} : duration_text(ns);
    };
    result.add(
      {tier.tier, tier.state, count_text(tier.lookups), count_text(tier.hits),
       percent_text(share(tier.hits, tier.lookups)), count_text(tier.errors),
       count_text(tier.skipped), count_text(tier.entries),
       bytes_text(tier.bytes), count_text(tier.evictions),
       latency(tier.fetch.avg), latency(tier.fetch.p50),
       latency(tier.fetch.p95), latency(tier.fetch.p99)});
  }
  return result.str();
}

std::string remarks(const node_stats& x) {
  std::string result;
  for (auto& tier : x.tiers) {
    if (!tier.reason.empty())
      result += tier.tier + " is " + tier.state + ": " + tier.reason + '\n';
    if (tier.compression_ratio) {
      auto percent = percent_text(1 / *tier.compression_ratio);
      result += tier.tier + " compresses to " + percent + " of the size\n";
    }
  }
  if (auto i = x.actors.find("warm_restart"); i != x.actors.end()) {
    auto& figures = i->second;
    if (auto left = figures.find("preload_left");
        left != figures.end() && left->second > 0)
      result += "memory is being warmed, " + count_text(left->second)
                + " keys are left\n";
  }
  for (auto& actor : x.silent)
    result += actor + " did not answer in time\n";
  return result.empty() ? result : '\n' + result;
}

} // namespace

std::string status_page(const node_stats& x) {
  return node_line(x) + request_line(x) + '\n' + tier_table(x) + remarks(x);
}

std::string watch_page(const node_stats& x, const node_stats& before,
                       double seconds) {
  auto rate = [&](std::uint64_t now, std::uint64_t then) {
    auto n = now > then && seconds > 0
               ? static_cast<double>(now - then) / seconds
               : 0.0;
    return count_text(static_cast<std::uint64_t>(n + 0.5));
  };
  text_table rates{{"per second", "lookups", "hits", "stores", "evictions"}};
  for (std::size_t i = 0; i < x.tiers.size(); ++i) {
    auto& now = x.tiers[i];
    auto& then = i < before.tiers.size() ? before.tiers[i] : now;
    rates.add({now.tier, rate(now.lookups, then.lookups),
               rate(now.hits, then.hits), rate(now.stores, then.stores),
               rate(now.evictions, then.evictions)});
  }
  return status_page(x) + '\n' + rate(x.requests, before.requests)
         + " requests per second\n" + rates.str();
}

std::string health_page(const node_stats& x) {
  auto result = node_line(x);
  text_table tiers{{"tier", "state"}};
  for (auto& tier : x.tiers)
    tiers.add({tier.tier, tier.state});
  return result + tiers.str() + remarks(x);
}

} // namespace terrace
