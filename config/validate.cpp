#include "config/options_access.hpp"
#include "config/redis_url.hpp"
#include "config/text.hpp"

#include <algorithm>
#include <array>

namespace terrace {

namespace {

using problems = std::vector<config_problem>;

std::string written(const options& x, std::string_view name) {
  auto info = find_option(name);
  return clip(to_toml(*info, info->get(x), secrets::hide));
}

void check_each(const options& x, problems& out) {
  for (auto& info : option_table())
    if (!accepts(info, info.get(x)))
      out.push_back(
        {{info.name},
         "expected " + expectation(info) + ", got " + written(x, info.name)});
}

void check_at_most(const options& x, std::string_view low,
                   std::string_view high, problems& out) {
  auto number = [&](std::string_view name) {
    return std::get<std::int64_t>(find_option(name)->get(x));
  };
  if (number(low) > number(high))
    out.push_back({{low, high},
                   "expected at most " + std::string{high} + " ("
                     + written(x, high) + "), got " + written(x, low)});
}

/// What would not be heeded is an error.
void check_budget(const options& x, problems& out) {
  if (x.node.max_memory == 0)
    return;
  for (auto name : {"memory.max_size", "disk.max_pending_size"})
    if (find_option(name)->get(x) != find_option(name)->get({}))
      out.push_back({{name, "node.max_memory"},
                     "expected none beside node.max_memory, which says how "
                     "much it is, got "
                       + written(x, name)});
}

void check_chain(const options& x, problems& out) {
  auto enabled = [&](const std::string& tier) {
    return (tier == "memory" && x.memory.enabled)
           || (tier == "redis" && x.redis.enabled)
           || (tier == "disk" && x.disk.enabled);
  };
  auto& chain = x.cache.chain;
  if (std::none_of(chain.begin(), chain.end(), enabled))
    out.push_back(
      {{"cache.chain", "memory.enabled", "redis.enabled", "disk.enabled"},
       "expected at least one tier that is enabled, got "
         + written(x, "cache.chain")});
}

/// What a disk refuses has to be somewhere else.
void check_admission(const options& x, problems& out) {
  if (!x.disk.enabled
      || (x.disk.admission == "all" && x.disk.write_budget == 0))
    return;
  for (auto& tier : x.cache.chain) {
    if (tier == "disk")
      break;
    if ((tier == "memory" && x.memory.enabled)
        || (tier == "redis" && x.redis.enabled))
      return;
  }
  auto name = x.disk.admission == "all" ? "disk.write_budget"
                                        : "disk.admission";
  if (std::find(x.cache.chain.begin(), x.cache.chain.end(), "disk")
      != x.cache.chain.end())
    out.push_back({{name, "cache.chain"},
                   "expected a tier in front of the disk, which takes what the "
                   "disk refuses, got "
                     + written(x, "cache.chain")});
}

void check_ports(const options& x, problems& out) {
  auto address = [](const std::string& bind) {
    return bind == "localhost" ? "127.0.0.1" : bind;
  };
  auto any = "0.0.0.0";
  auto overlap = address(x.resp.bind) == address(x.http.bind)
                 || x.resp.bind == any || x.http.bind == any;
  if (x.resp.enabled && x.http.enabled && overlap && x.resp.port == x.http.port)
    out.push_back(
      {{"http.port", "resp.port"},
       "expected another port than resp.port, got " + written(x, "http.port")});
}

void check_redis(const options& x, problems& out) {
  auto& mode = x.redis.mode;
  auto wrong = [&](std::string expected) {
    out.push_back({{"redis.url", "redis.mode"},
                   "expected " + expected + " with redis.mode = \"" + mode
                     + "\", got " + written(x, "redis.url")});
  };
  std::vector<redis_address> servers;
  for (auto url : split_redis_urls(x.redis.url))
    servers.push_back(*parse_redis_url(url));
  auto& first = servers.front();
  auto any = [&](auto f) {
    return std::any_of(servers.begin(), servers.end(), f);
  };
  if (mode == "single" && servers.size() > 1)
    return wrong("one server");
  for (auto i = servers.begin(); i != servers.end(); ++i)
    if (std::find(i + 1, servers.end(), *i) != servers.end())
      return wrong("every server once");
  if (mode != "cluster" && mode != "sentinel")
    return;
  if (any([](auto& y) { return !y.path.empty(); }))
    return wrong("no Unix socket");
  if (any([&](auto& y) {
        return y.user != first.user || y.password != first.password
               || y.db != first.db;
      }))
    return wrong("the same login and database in all");
  if (mode == "cluster" && first.db != 0)
    wrong("database 0, the only one of a cluster,");
}

} // namespace

problems validate(const options& x) {
  problems result;
  check_each(x, result);
  // The rules below rely on values that make sense one by one.
  if (!result.empty())
    return result;
  check_chain(x, result);
  check_budget(x, result);
  check_at_most(x, "disk.commit_size", "disk.max_pending_size", result);
  check_at_most(x, "resp.output_soft_limit", "resp.output_hard_limit", result);
  check_admission(x, result);
  check_ports(x, result);
  check_redis(x, result);
  return result;
}

} // namespace terrace
