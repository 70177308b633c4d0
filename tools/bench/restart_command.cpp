#include "tools/bench/command_line.hpp"
#include "tools/bench/restart.hpp"

namespace terrace::bench {

CLI::App* declare(CLI::App& app, restart_options& x) {
  auto sub = app.add_subcommand("restart", "time until memory is warm again "
                                           "after a restart under load");
  sub->add_option("--terraced", x.program,
                  "program of the node; beside this one by default");
  sub->add_option("--keys", x.keys, "different keys")
    ->check(CLI::Range(1, 100'000'000))
    ->capture_default_str();
  add_size(*sub, x.value_size);
  sub
    ->add_option_function<std::string>(
      "--memory", [&x](const std::string& text) { x.memory = read_size(text); },
      "size of L1")
    ->type_name("SIZE")
    ->default_str("64MiB");
  sub->add_option("--zipf", x.skew, "skew of the keys' popularity; 0: uniform")
    ->check(CLI::Range(0.0, 5.0))
    ->capture_default_str();
  sub->add_option("--rate", x.rate, "requests per second")
    ->check(CLI::Range(100.0, 10'000'000.0))
    ->capture_default_str();
  sub->add_option("--connections", x.connections, "connections")
    ->check(CLI::Range(1, 1000))
    ->capture_default_str();
  sub->add_option("--before", x.before_s, "seconds of load before")
    ->check(CLI::Range(1.0, 3600.0))
    ->capture_default_str();
  sub->add_option("--after", x.after_s, "seconds of load after each restart")
    ->check(CLI::Range(1.0, 3600.0))
    ->capture_default_str();
  sub->add_option("--rounds", x.rounds, "rounds; the median counts")
    ->check(CLI::Range(1, 100))
    ->capture_default_str();
  sub->add_flag("--json", x.json, "for programs");
  sub->add_flag("--quiet", x.quiet, "no progress");
  return sub;
}

} // namespace terrace::bench
