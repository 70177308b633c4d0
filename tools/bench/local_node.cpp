#include "tools/bench/local_node.hpp"

#include "actors/report_format.hpp"
#include "config/config_reader.hpp"

#include <cstdlib>

namespace terrace::bench {

namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string result;
  for (auto& line : lines)
    result += (result.empty() ? "" : "\n") + line;
  return result;
}

} // namespace

expected<options> read_options(const std::string& config_file,
                               const std::vector<std::string>& settings) {
  config_reader in;
  // First, so that everything else may override it.
  in.add_value("log.level", "warning", "terrace-bench");
  if (!config_file.empty())
    in.add_file(config_file);
  in.add_environment([](const char* name) { return std::getenv(name); });
  for (auto& setting : settings) {
    auto at = setting.find('=');
    auto value = at == std::string::npos ? "" : setting.substr(at + 1);
    in.add_value(setting.substr(0, at), value, "--set");
  }
  auto result = in.finish();
  if (!result)
    return failure{errc::invalid_argument, joined(result.errors())};
  return *result;
}

std::string local_node::tiers() const {
  std::string result;
  for (auto& tier : config.cache.chain)
    if ((tier == "memory" && config.memory.enabled)
        || (tier == "redis" && config.redis.enabled)
        || (tier == "disk" && config.disk.enabled))
      result += (result.empty() ? "" : " > ") + tier;
  return result;
}

expected<node_stats> local_node::stats() const {
  auto report = running->cache().stats();
  if (!report)
    return report.error();
  return parse_stats(stats_json(*report, {}));
}

expected<std::uint64_t> local_node::messages() const {
  auto x = stats();
  if (!x)
    return x.error();
  std::uint64_t result = 0;
  for (auto& [actor, counters] : x->actors)
    if (actor.starts_with("coordinator."))
      for (auto name : {"fetched_keys", "changes", "loads", "load_waits"})
        if (auto i = counters.find(name); i != counters.end())
          result += i->second;
  return result;
}

expected<local_node>
start_local_node(const std::string& config_file,
                 const std::vector<std::string>& settings) {
  auto opts = read_options(config_file, settings);
  if (!opts)
    return opts.error();
  opts->resp.enabled = false;
  opts->http.enabled = false;
  std::optional<temp_folder> folder;
  if (opts->node.data_dir == node_options{}.data_dir) {
    auto made = temp_folder::make();
    if (!made)
      return made.error();
    folder.emplace(*std::move(made));
    opts->node.data_dir = folder->path();
  }
  auto started = node::start(*opts);
  if (!started)
    return started.error();
  return local_node{std::move(folder), *opts, *std::move(started)};
}

} // namespace terrace::bench
