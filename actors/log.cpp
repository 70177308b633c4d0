#include "actors/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>

namespace terrace {

namespace {

constexpr std::array<std::string_view, 9> components{
  "node", "coordinator", "memory",      "redis",   "disk",
  "resp", "http",        "invalidator", "metrics",
};

constexpr auto pattern = "%Y-%m-%dT%H:%M:%S.%e%z %l %n: %v";

struct registry {
  std::mutex mutex;
  spdlog::sink_ptr sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  std::map<std::string, std::shared_ptr<spdlog::logger>, std::less<>> loggers;
};

registry& instance() {
  static registry result;
  return result;
}

std::shared_ptr<spdlog::logger>& find_or_make(registry& reg,
                                              std::string_view name) {
  auto i = reg.loggers.find(name);
  if (i == reg.loggers.end()) {
    auto x = std::make_shared<spdlog::logger>(std::string{name}, reg.sink);
    x->set_pattern(pattern);
    x->set_level(spdlog::level::warn);
    x->flush_on(spdlog::level::info);
    i = reg.loggers.emplace(std::string{name}, std::move(x)).first;
  }
  return i->second;
}

bool is_level(const std::string& x) {
  static constexpr std::array<std::string_view, 6> names{
    "trace", "debug", "info", "warning", "error", "off"};
  return std::find(names.begin(), names.end(), x) != names.end();
}

} // namespace

expected<void> open_log(const log_options& opts) {
  if (!is_level(opts.level))
    return failure{errc::invalid_argument, "log level " + opts.level};
  for (auto& [name, level] : opts.components) {
    if (std::find(components.begin(), components.end(), name)
        == components.end())
      return failure{errc::invalid_argument, "log component " + name};
    if (!is_level(level))
      return failure{errc::invalid_argument, "log level " + level};
  }
  auto& reg = instance();
  std::lock_guard lock{reg.mutex};
  if (!opts.file.empty()) {
    try {
      reg.sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(opts.file);
    } catch (const spdlog::spdlog_ex& x) {
      return failure{errc::io_failure, x.what()};
    }
  }
  for (auto name : components) {
    auto& logger = find_or_make(reg, name);
    logger->sinks() = {reg.sink};
    logger->set_pattern(pattern);
    auto i = opts.components.find(std::string{name});
    auto& level = i == opts.components.end() ? opts.level : i->second;
    logger->set_level(spdlog::level::from_str(level));
  }
  return {};
}

spdlog::logger& log_of(std::string_view component) {
  auto& reg = instance();
  std::lock_guard lock{reg.mutex};
  return *find_or_make(reg, component);
}

} // namespace terrace
