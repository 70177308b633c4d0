#include "config/quantity.hpp"
#include "tools/bench/command_line.hpp"
#include "tools/bench/contestants.hpp"

#include <bit>

namespace terrace::bench {

namespace {

/// What only the comparison with other caches understands.
void add_contest(CLI::App& app, l1_options& x) {
  auto peers = app.add_flag("--peers", x.peers,
                            "compare L1 with other caches, by default with "
                            "1 and 2 threads");
  app
    .add_option_function<std::vector<std::string>>(
      "--mix",
      [&x](const std::vector<std::string>& xs) {
        x.mixes.clear();
        for (auto& text : xs) {
          if (auto mix = request_mix::parse(text))
            x.mixes.push_back(*mix);
          else
            throw CLI::ValidationError("--mix", "expected hits or percent of "
                                                "reads and writes, e.g. 90-10, "
                                                "got "
                                                  + text);
        }
      },
      "all hits, or percent of reads and writes with eviction")
    ->type_name("hits|R-W,...")
    ->default_str("hits,90-10")
    ->delimiter(',')
    ->needs(peers);
  app
    .add_option("--capacity-share", x.capacity_share,
                "room for this share of the keys, where there is eviction")
    ->check(CLI::Range(0.0001, 1.0))
    ->capture_default_str()
    ->needs(peers);
  std::vector<std::string> names;
  for (auto& known : contestants())
    names.push_back(known.name);
  app.add_option("--contestants", x.contestants, "some of them only")
    ->check(CLI::IsMember(names))
    ->delimiter(',')
    ->needs(peers);
  app.add_flag("--memory", x.memory, "tell the memory an entry takes instead")
    ->excludes(peers);
}

/// What the engine alone needs.
void add_engine(CLI::App& app, std::size_t& shards, std::string& policy) {
  app.add_option("--policy", policy, "eviction policy of the engine alone")
    ->capture_default_str();
  app.add_option("--shards", shards, "of the engine alone")
    ->check([](const std::string& text) -> std::string {
      auto n = parse_count(text);
      return n && std::has_single_bit(static_cast<std::uint64_t>(*n))
                 && *n <= 4096
               ? ""
               : "expected a power of two up to 4096, got " + text;
    })
    ->capture_default_str();
}

} // namespace

CLI::App* declare(CLI::App& app, l1_options& x) {
  auto sub = app.add_subcommand(
    "l1", "measure the handle in this process, or L1 beside other caches");
  auto threads = sub
                   ->add_option("--threads", x.threads,
                                "threads that read, one number after another")
                   ->check(CLI::Range(1, 256))
                   ->delimiter(',')
                   ->capture_default_str();
  auto keys = sub
                ->add_option("--keys", x.keys,
                             "different keys; with --peers and --memory "
                             "1000000 by default")
                ->check(CLI::Range(1, 100'000'000))
                ->capture_default_str();
  add_size(*sub, x.value_size);
  sub->add_option("--zipf", x.skew, "skew of their popularity; 0: uniform")
    ->check(CLI::Range(0.0, 5.0))
    ->capture_default_str();
  auto reads = sub
                 ->add_option("--read-ratio", x.read_ratio,
                              "share of reads of the handle")
                 ->check(CLI::Range(0.0, 1.0))
                 ->capture_default_str();
  sub->add_option("--seconds", x.seconds, "length of a round")
    ->check(CLI::Range(0.001, 3600.0))
    ->capture_default_str();
  sub->add_option("--rounds", x.rounds, "rounds; the median counts")
    ->check(CLI::Range(1, 1000))
    ->capture_default_str();
  sub
    ->add_option_function<std::string>(
      "--key-kind",
      [&x](const std::string& text) {
        auto kind = key_kind::parse(text);
        if (!kind)
          throw CLI::ValidationError("--key-kind",
                                     "expected int or string16 to string250, "
                                     "got "
                                       + text);
        x.kind = *kind;
      },
      "keys with --peers and --memory")
    ->type_name("int|stringN")
    ->default_str(x.kind.str());
  add_engine(*sub, x.shards, x.policy);
  add_contest(*sub, x);
  reads->excludes(sub->get_option("--peers"));
  add_node_settings(*sub, x.config_file, x.settings);
  sub->add_flag("--json", x.json, "for programs");
  sub->final_callback([&x, threads, keys] {
    if (x.peers && threads->count() == 0)
      x.threads = {1, 2};
    if ((x.peers || x.memory) && keys->count() == 0)
      x.keys = 1'000'000;
    if (x.peers && x.value_size == 0)
      throw CLI::ValidationError("--value-size", "values cannot be empty here");
  });
  return sub;
}

CLI::App* declare(CLI::App& app, churn_options& x) {
  auto sub = app.add_subcommand(
    "churn", "tell whether L1 keeps its bound while sizes change");
  sub
    ->add_option_function<std::string>(
      "--max-size",
      [&x](const std::string& text) { x.max_size = read_size(text); },
      "the bound")
    ->type_name("SIZE")
    ->default_str(format_size(x.max_size));
  sub
    ->add_option_function<std::string>(
      "--sizes",
      [&x](const std::string& text) {
        auto dots = text.find("..");
        if (dots == std::string::npos)
          throw CLI::ValidationError("--sizes", "expected MIN..MAX");
        x.min_value = read_size(text.substr(0, dots));
        x.max_value = read_size(text.substr(dots + 2));
        if (x.min_value > x.max_value)
          throw CLI::ValidationError("--sizes", "expected MIN below MAX");
      },
      "sizes of values, each power of two as likely as the next")
    ->type_name("MIN..MAX")
    ->default_str("0..64KiB");
  sub->add_option("--minutes", x.minutes, "how long")
    ->check(CLI::Range(0.01, 100'000.0))
    ->capture_default_str();
  sub
    ->add_option("--bound-ratio", x.bound_ratio,
                 "fail if memory grows past this times the bound")
    ->check(CLI::Range(0.1, 100.0))
    ->capture_default_str();
  sub->add_option("--keys", x.keys, "different keys")
    ->check(CLI::Range(1, 1'000'000'000))
    ->capture_default_str();
  sub->add_option("--writers", x.writers, "threads")
    ->check(CLI::Range(1, 256))
    ->capture_default_str();
  add_engine(*sub, x.shards, x.policy);
  sub->add_flag("--json", x.json, "for programs");
  return sub;
}

} // namespace terrace::bench
