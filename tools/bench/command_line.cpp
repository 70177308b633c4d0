#include "tools/bench/command_line.hpp"

#include "config/quantity.hpp"

namespace terrace::bench {

std::chrono::nanoseconds read_latency(const std::string& text) {
  if (text.ends_with("us"))
    if (auto n = parse_count(text.substr(0, text.size() - 2)))
      return std::chrono::microseconds{*n};
  if (auto x = parse_duration(text))
    return *x;
  throw CLI::ValidationError("duration",
                             "expected 250us, 5ms, 1s, ..., got " + text);
}

std::uint64_t read_size(const std::string& text) {
  if (auto x = parse_size(text))
    return *x;
  throw CLI::ValidationError("size",
                             "expected 100, 4KiB, 1MiB, ..., got " + text);
}

void add_node_settings(CLI::App& app, std::string& config_file,
                       std::vector<std::string>& settings) {
  app.add_option("--config", config_file, "TOML file for the node in process");
  app
    .add_option("--set", settings,
                "option for it, e.g. memory.max_size=1GiB; repeatable")
    ->type_name("TABLE.KEY=VALUE")
    ->take_all()
    ->allow_extra_args(false);
}

void add_size(CLI::App& app, std::size_t& out) {
  app
    .add_option_function<std::string>(
      "--value-size",
      [&out](const std::string& text) { out = read_size(text); },
      "size of the values")
    ->type_name("SIZE")
    ->default_str(std::to_string(out));
}

} // namespace terrace::bench
