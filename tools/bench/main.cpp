/// Measures Terrace: recorded traces, a node over the network, the in-process
/// handle.
///
/// Exit codes: 0 done; 1 could not be done, or values were wrong; 2 bad command
/// line.
#include "config/quantity.hpp"
#include "tools/bench/l1.hpp"
#include "tools/bench/net.hpp"
#include "tools/bench/replay.hpp"

#include <CLI/CLI.hpp>

#include <signal.h>

#include <iostream>

namespace {

using namespace terrace;
using namespace terrace::bench;

constexpr int exit_failed = 1;
constexpr int exit_bad_usage = 2;

/// "5ms", "250us", "0"
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

CLI::App* declare(CLI::App& app, replay_options& x) {
  auto sub = app.add_subcommand("replay", "send a recorded access trace");
  sub
    ->add_option("trace", x.trace,
                 "NAME.key or NAME.ksz (key,size), plain or .zst")
    ->required();
  auto local = sub->add_flag("--in-process", x.in_process,
                             "use a node in this process");
  sub->add_option("--node", x.node, "RESP address of a node")
    ->type_name("HOST:PORT")
    ->capture_default_str()
    ->excludes(local);
  sub->add_option("--http", x.http_url, "its HTTP address, for figures")
    ->type_name("URL")
    ->excludes(local);
  add_node_settings(*sub, x.config_file, x.settings);
  sub->get_option("--config")->needs(local);
  sub->get_option("--set")->needs(local);
  sub->add_option("--tenant", x.tenant, "key space to use")
    ->check(CLI::Range(0, 65535))
    ->capture_default_str();
  sub->add_flag("--clear", x.clear, "remove the keys of the tenant first");
  sub
    ->add_option_function<std::string>(
      "--origin-latency",
      [&x](const std::string& text) { x.origin_latency = read_latency(text); },
      "time the origin takes for a miss")
    ->type_name("TIME")
    ->default_str("5ms");
  auto virtual_time = sub->add_flag("--virtual-time", x.virtual_time,
                                    "add that time instead of waiting for it "
                                    "(default if waiting takes over a minute)");
  sub->add_flag("--real-time", x.real_time, "wait for it")
    ->excludes(virtual_time);
  add_size(*sub, x.value_size);
  sub
    ->add_option_function<std::string>(
      "--ttl",
      [&x](const std::string& text) {
        x.ttl_ms = read_latency(text) / std::chrono::milliseconds(1);
      },
      "expiry of the values")
    ->type_name("TIME")
    ->default_str("0");
  sub->add_option("--limit", x.limit, "at most this many requests; 0: all")
    ->capture_default_str();
  sub->add_option("--threads", x.threads, "threads that send")
    ->check(CLI::Range(1, 256))
    ->capture_default_str();
  sub->add_flag("--json", x.json, "for programs");
  sub->add_flag("--quiet", x.quiet, "no progress bar");
  return sub;
}

CLI::App* declare(CLI::App& app, net_options& x) {
  auto sub = app.add_subcommand("net", "put a node under load over RESP");
  sub->add_option("--node", x.node, "RESP address")
    ->type_name("HOST:PORT")
    ->capture_default_str();
  sub->add_option("--clients", x.clients, "connections")
    ->check(CLI::Range(1, 10000))
    ->capture_default_str();
  sub->add_option("--pipeline", x.pipeline, "commands sent at once")
    ->check(CLI::Range(1, 10000))
    ->capture_default_str();
  sub->add_option("--keys", x.keys, "different keys")
    ->check(CLI::Range(1, 100'000'000))
    ->capture_default_str();
  add_size(*sub, x.value_size);
  sub->add_option("--zipf", x.skew, "skew of their popularity; 0: uniform")
    ->check(CLI::Range(0.0, 5.0))
    ->capture_default_str();
  sub->add_option("--read-ratio", x.read_ratio, "share of GET, the rest is SET")
    ->check(CLI::Range(0.0, 1.0))
    ->capture_default_str();
  auto requests = sub->add_option("--requests", x.requests,
                                  "stop after this many");
  sub->add_option("--seconds", x.seconds, "stop after this time")
    ->check(CLI::Range(0.001, 86400.0))
    ->capture_default_str()
    ->excludes(requests);
  sub->add_flag("!--no-fill", x.fill, "do not write all keys first");
  sub->add_flag("--json", x.json, "for programs");
  sub->add_flag("--quiet", x.quiet, "no progress bar");
  return sub;
}

CLI::App* declare(CLI::App& app, l1_options& x) {
  auto sub = app.add_subcommand("l1", "measure the handle in this process");
  sub->add_option("--threads", x.threads, "threads that read")
    ->check(CLI::Range(1, 256))
    ->capture_default_str();
  sub->add_option("--keys", x.keys, "different keys")
    ->check(CLI::Range(1, 100'000'000))
    ->capture_default_str();
  add_size(*sub, x.value_size);
  sub->add_option("--zipf", x.skew, "skew of their popularity; 0: uniform")
    ->check(CLI::Range(0.0, 5.0))
    ->capture_default_str();
  sub->add_option("--read-ratio", x.read_ratio, "share of reads")
    ->check(CLI::Range(0.0, 1.0))
    ->capture_default_str();
  sub->add_option("--seconds", x.seconds, "length of a round")
    ->check(CLI::Range(0.001, 3600.0))
    ->capture_default_str();
  sub->add_option("--rounds", x.rounds, "rounds; the median counts")
    ->check(CLI::Range(1, 1000))
    ->capture_default_str();
  add_node_settings(*sub, x.config_file, x.settings);
  sub->add_flag("--json", x.json, "for programs");
  return sub;
}

int run(int argc, char** argv) {
  CLI::App app{"Measures Terrace", "terrace-bench"};
  app.failure_message([](const CLI::App*, const CLI::Error& x) {
    return "terrace-bench: " + std::string{x.what()} + "; --help tells more\n";
  });
  app.set_version_flag("--version", "terrace-bench " TERRACE_VERSION);
  app.require_subcommand(1);
  replay_options replay_opts;
  net_options net_opts;
  l1_options l1_opts;
  auto replay_command = declare(app, replay_opts);
  auto net_command = declare(app, net_opts);
  declare(app, l1_opts);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& x) {
    return app.exit(x) == 0 ? 0 : exit_bad_usage;
  }
  if (replay_command->parsed())
    return replay(replay_opts);
  if (net_command->parsed())
    return net(net_opts);
  return l1(l1_opts);
}

} // namespace

int main(int argc, char** argv) {
  // A node that goes away is an error to report, not the end of this process.
  ::signal(SIGPIPE, SIG_IGN);
  try {
    return run(argc, argv);
  } catch (const std::exception& x) {
    std::cerr << "terrace-bench: " << x.what() << '\n';
    return exit_failed;
  }
}
