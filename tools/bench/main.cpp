/// Measures Terrace: recorded traces, a node over the network, L1 in this
/// process, the Redis tier, the disk tier, compression, restarts.
///
/// Exit codes: 0 done; 1 could not be done, values were wrong, or a bound was
/// not kept; 2 bad command line.
#include "tools/bench/command_line.hpp"
#include "tools/bench/compression.hpp"
#include "tools/bench/contest.hpp"
#include "tools/bench/disk_command.hpp"
#include "tools/bench/hitratio.hpp"
#include "tools/bench/l1_memory.hpp"
#include "tools/bench/mrc.hpp"
#include "tools/bench/net.hpp"
#include "tools/bench/redis.hpp"
#include "tools/bench/replay.hpp"
#include "tools/bench/restart.hpp"

#include <signal.h>

#include <charconv>
#include <iostream>

namespace {

using namespace terrace;
using namespace terrace::bench;

constexpr int exit_failed = 1;
constexpr int exit_bad_usage = 2;

void add_trace(CLI::App& app, std::string& out) {
  app
    .add_option("trace", out, "NAME.key or NAME.ksz (key,size), plain or .zst")
    ->required();
}

template <class T>
void add_limit(CLI::App& app, T& out) {
  app.add_option("--limit", out, "at most this many requests; 0: all")
    ->capture_default_str();
}

CLI::App* declare(CLI::App& app, replay_options& x) {
  auto sub = app.add_subcommand("replay", "send a recorded access trace");
  add_trace(*sub, x.trace);
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
  add_limit(*sub, x.limit);
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

CLI::App* declare(CLI::App& app, redis_bench_options& x) {
  auto sub = app.add_subcommand("redis", "the Redis tier beside hiredis by "
                                         "hand, on a redis-server of its own");
  sub->add_option("--keys", x.keys, "different keys")
    ->check(CLI::Range(1, 100'000'000))
    ->capture_default_str();
  add_size(*sub, x.value_size);
  sub
    ->add_option("--readers", x.readers,
                 "look-ups under way at once, and commands in a pipeline")
    ->check(CLI::Range(1, 10'000))
    ->capture_default_str();
  sub->add_option("--seconds", x.seconds, "length of a turn in a round")
    ->check(CLI::Range(0.001, 3600.0))
    ->capture_default_str();
  sub->add_option("--rounds", x.rounds, "rounds; the median counts")
    ->check(CLI::Range(1, 1000))
    ->capture_default_str();
  sub->add_flag("--json", x.json, "for programs");
  sub->add_flag("--quiet", x.quiet, "no progress bar");
  return sub;
}

/// "5%" is 0.05.
double read_share(const std::string& text) {
  double result = 0;
  auto end = text.data() + text.size();
  auto [at, err] = std::from_chars(text.data(), end, result);
  if (err == std::errc{} && at + 1 == end && *at == '%' && result > 0
      && result <= 100)
    return result / 100;
  throw CLI::ValidationError("share", "expected 1%, 0.5%, ..., got " + text);
}

CLI::App* declare(CLI::App& app, mrc_options& x) {
  auto sub = app.add_subcommand("mrc", "hold the estimated miss ratios of LRU "
                                       "against a trace's exact ones");
  add_trace(*sub, x.trace);
  sub
    ->add_option_function<std::vector<std::string>>(
      "--sizes",
      [&x](const std::vector<std::string>& texts) {
        x.sizes.clear();
        for (auto& text : texts)
          x.sizes.push_back(read_share(text));
      },
      "of caches, as shares of the bytes of all keys")
    ->delimiter(',')
    ->type_name("SHARE,...")
    ->default_str("1%,5%,10%,20%");
  sub->add_option("--samples", x.samples, "keys followed at most")
    ->check(CLI::Range(16, 100'000'000))
    ->capture_default_str();
  sub
    ->add_option("--window", x.window,
                 "accesses after which the past counts half; 0: never")
    ->capture_default_str();
  add_limit(*sub, x.limit);
  sub->add_flag("--json", x.json, "for programs");
  return sub;
}

CLI::App* declare(CLI::App& app, hitratio_options& x) {
  auto sub = app.add_subcommand("hitratio", "run eviction policies on a trace");
  add_trace(*sub, x.trace);
  sub
    ->add_option("--sizes", x.sizes,
                 "of the cache: 1% of all keys, or 5000 objects; with "
                 "recorded sizes, bytes")
    ->delimiter(',')
    ->capture_default_str();
  sub->add_option("--policies", x.policies, "some of them; all by default")
    ->delimiter(',');
  add_limit(*sub, x.limit);
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
  redis_bench_options redis_opts;
  net_options net_opts;
  l1_options l1_opts;
  churn_options churn_opts;
  mrc_options mrc_opts;
  hitratio_options hitratio_opts;
  restart_options restart_opts;
  auto replay_command = declare(app, replay_opts);
  auto net_command = declare(app, net_opts);
  auto redis_command = declare(app, redis_opts);
  declare(app, l1_opts);
  auto churn_command = declare(app, churn_opts);
  auto mrc_command = declare(app, mrc_opts);
  auto hitratio_command = declare(app, hitratio_opts);
  auto restart_command = declare(app, restart_opts);
  disk_commands disk_tier{app};
  compression_bench_options compression_opts;
  auto compression_command = declare(app, compression_opts);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& x) {
    return app.exit(x) == 0 ? 0 : exit_bad_usage;
  }
  if (replay_command->parsed())
    return replay(replay_opts);
  if (net_command->parsed())
    return net(net_opts);
  if (redis_command->parsed())
    return redis(redis_opts);
  if (churn_command->parsed())
    return churn(churn_opts);
  if (mrc_command->parsed())
    return mrc(mrc_opts);
  if (hitratio_command->parsed())
    return hitratio(hitratio_opts);
  if (restart_command->parsed())
    return restart(restart_opts);
  if (auto code = disk_tier.run())
    return *code;
  if (compression_command->parsed())
    return compression(compression_opts);
  if (l1_opts.peers)
    return contest(l1_opts);
  if (l1_opts.memory)
    return l1_memory(l1_opts);
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
