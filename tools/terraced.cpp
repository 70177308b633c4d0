/// The node: reads its configuration, starts, waits for a signal, stops in
/// order. SIGHUP makes it read the configuration again.
///
/// Exit codes: 0 stopped by a signal; 1 could not start; 2 bad configuration or
/// command line; 70 an actor failed; 130 a second signal came while stopping.
#include "actors/log.hpp"
#include "actors/system.hpp"
#include "config/config_reader.hpp"
#include "config/options_access.hpp"

#include <CLI/CLI.hpp>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>

namespace {

using namespace terrace;

constexpr int exit_cannot_start = 1;
constexpr int exit_bad_usage = 2;
constexpr int exit_actor_failed = 70;
constexpr int exit_impatient = 130;

constexpr auto command_line = "command line";

// -- command line -------------------------------------------------------------

struct arguments {
  std::string config_file;
  std::string resp_port;
  std::string http_port;
  std::string data_dir;
  std::string redis_url;
  std::vector<std::string> settings;
  bool check_config = false;
  bool print_config = false;
};

/// Ports and sizes stay text here: the configuration checks them as it checks
/// those in a file.
void declare(CLI::App& app, arguments& x) {
  app.add_option("--config", x.config_file, "TOML file; without it, defaults")
    ->type_name("FILE");
  app.add_option("--resp-port", x.resp_port, "port for Redis clients")
    ->type_name("N");
  app.add_option("--http-port", x.http_port, "port for operators")
    ->type_name("N");
  app.add_option("--data-dir", x.data_dir, "folder for all data")
    ->type_name("DIR");
  app.add_option("--redis-url", x.redis_url, "Redis to use as second tier")
    ->type_name("URL");
  app
    .add_option("--set", x.settings,
                "any option, e.g. memory.max_size=1GiB; repeatable")
    ->type_name("TABLE.KEY=VALUE")
    ->take_all()
    ->allow_extra_args(false)
    ->check([](const std::string& text) -> std::string {
      if (text.find('=') == std::string::npos)
        return "expected TABLE.KEY=VALUE, got " + text;
      return {};
    });
  app.add_flag("--check-config", x.check_config,
               "check the configuration and exit");
  app.add_flag("--print-config", x.print_config,
               "print the configuration in force and exit");
  app.set_version_flag("--version", "terraced " TERRACE_VERSION);
  app.footer("The environment overrides the file, the command line overrides "
             "both.");
}

config_result read_options(const arguments& x) {
  config_reader in;
  if (!x.config_file.empty())
    in.add_file(x.config_file);
  in.add_environment([](const char* name) { return std::getenv(name); });
  auto set = [&](std::string_view option, const std::string& value) {
    if (!value.empty())
      in.add_value(option, value, command_line);
  };
  set("resp.port", x.resp_port);
  set("http.port", x.http_port);
  set("node.data_dir", x.data_dir);
  set("redis.url", x.redis_url);
  if (!x.redis_url.empty())
    set("redis.enabled", "true");
  for (auto& setting : x.settings) {
    auto at = setting.find('=');
    in.add_value(setting.substr(0, at), setting.substr(at + 1), command_line);
  }
  return in.finish();
}

// -- process ------------------------------------------------------------------

/// Every connection is a descriptor, and the usual soft limit is 1024.
void raise_descriptor_limit() {
  rlimit x;
  if (::getrlimit(RLIMIT_NOFILE, &x) == 0 && x.rlim_cur < x.rlim_max) {
    x.rlim_cur = x.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &x);
  }
}

/// The signals that end a node, SIGHUP, and SIGUSR1, by which it wakes itself.
/// Blocked before any thread exists, so that all threads inherit that.
sigset_t block_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN); // a write past `ulimit -f` fails, no more
  sigset_t result;
  ::sigemptyset(&result);
  for (auto x : {SIGINT, SIGTERM, SIGHUP, SIGUSR1})
    ::sigaddset(&result, x);
  ::pthread_sigmask(SIG_BLOCK, &result, nullptr);
  return result;
}

/// Why the node no longer works, told by a thread of the node.
class failure_note {
public:
  void write(std::string text) {
    {
      std::lock_guard lock{mutex_};
      text_ = std::move(text);
    }
    ::kill(::getpid(), SIGUSR1);
  }

  std::string read() const {
    std::lock_guard lock{mutex_};
    return text_;
  }

private:
  mutable std::mutex mutex_;
  std::string text_;
};

/// Reads the configuration again. What is wrong with it is logged, and the node
/// goes on as it was.
void reload(node& running, const arguments& args) {
  auto log = log_of("node");
  auto opts = read_options(args);
  if (!opts) {
    for (auto& line : opts.errors())
      log.error("not reloaded: {}", line);
    return;
  }
  auto others = running.reload(*opts);
  if (!others) {
    log.error("not reloaded: {}", to_string(others.error()));
    return;
  }
  for (auto& name : *others)
    log.warn("{} has changed, which takes a restart", name);
  log.info("configuration reloaded");
}

/// Blocks until the node is to end; returns the exit code.
int await_end(const sigset_t& signals, const failure_note& failed,
              node& running, const arguments& args) {
  for (;;) {
    int signal = 0;
    ::sigwait(&signals, &signal);
    if (auto why = failed.read(); !why.empty()) {
      log_of("node").error("stopping, because an actor failed: {}", why);
      return exit_actor_failed;
    }
    if (signal == SIGUSR1)
      continue; // from somebody else, and of no meaning
    if (signal == SIGHUP) {
      reload(running, args);
      continue;
    }
    log_of("node").info("stopping, because of {}", ::strsignal(signal));
    return 0;
  }
}

/// Lets a second signal end the process at once.
void end_at_next(const sigset_t& signals) {
  std::thread{[=] {
    int signal = SIGUSR1;
    while (signal == SIGUSR1 || signal == SIGHUP)
      ::sigwait(&signals, &signal);
    ::_exit(exit_impatient);
  }}.detach();
}

std::string tiers_of(const options& x) {
  std::string result;
  for (auto& tier : x.cache.chain) {
    if ((tier == "memory" && x.memory.enabled)
        || (tier == "redis" && x.redis.enabled)
        || (tier == "disk" && x.disk.enabled))
      result += (result.empty() ? "" : " > ") + tier;
  }
  return result;
}

std::string port_text(const char* face, bool enabled, const std::string& bind,
                      std::uint16_t port) {
  if (!enabled)
    return {};
  return std::string{face} + ' ' + bind + ':' + std::to_string(port) + ", ";
}

int run(const options& opts, const arguments& args) {
  raise_descriptor_limit();
  auto signals = block_signals();
  failure_note failed;
  auto node
    = node::start(opts, [&](std::string why) { failed.write(std::move(why)); });
  if (!node) {
    std::cerr << "terraced: cannot start: " << to_string(node.error()) << '\n';
    return exit_cannot_start;
  }
  log_of("node").info(
    "terraced " TERRACE_VERSION " ready: {}{}tiers {}",
    port_text("RESP", opts.resp.enabled, opts.resp.bind, (*node)->resp_port()),
    port_text("HTTP", opts.http.enabled, opts.http.bind, (*node)->http_port()),
    tiers_of(opts));
  auto code = await_end(signals, failed, **node, args);
  end_at_next(signals);
  (*node)->stop();
  log_of("node").info("stopped");
  return code;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"A node of Terrace, the multi-tier cache", "terraced"};
  app.failure_message([](const CLI::App*, const CLI::Error& x) {
    return "terraced: " + std::string{x.what()} + "; --help tells more\n";
  });
  arguments args;
  declare(app, args);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& x) {
    return app.exit(x) == 0 ? 0 : exit_bad_usage;
  }
  auto opts = read_options(args);
  if (!opts) {
    for (auto& line : opts.errors())
      std::cerr << line << '\n';
    return exit_bad_usage;
  }
  if (args.print_config)
    std::cout << print_options(*opts);
  else if (args.check_config)
    std::cout << "The configuration is good.\n";
  if (args.print_config || args.check_config)
    return 0;
  try {
    return run(*opts, args);
  } catch (const std::exception& x) {
    std::cerr << "terraced: " << x.what() << '\n';
    return exit_cannot_start;
  }
}
