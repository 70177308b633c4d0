#include "tools/bench/disk_command.hpp"

#include "config/quantity.hpp"
#include "tools/bench/command_line.hpp"

namespace terrace::bench {

namespace {

void add_path(CLI::App& app, std::string& out) {
  app.add_option("--path", out,
                 "existing folder in which another is made, and removed at "
                 "the end; that of temporary files by default");
}

void add_rounds(CLI::App& app, std::size_t& out) {
  app.add_option("--rounds", out, "rounds; the median counts")
    ->check(CLI::Range(1, 1000))
    ->capture_default_str();
}

CLI::App* declare(CLI::App& app, disk_bench_options& x) {
  auto sub = app.add_subcommand("disk",
                                "the disk tier beside LMDB and RocksDB");
  sub->add_option("--entries", x.entries, "different keys")
    ->check(CLI::Range(1000, 1'000'000'000))
    ->capture_default_str();
  add_size(*sub, x.value_size);
  sub
    ->add_option_function<std::string>(
      "--values",
      [&x](const std::string& text) {
        x.content = text == "json" ? disk_content::json : disk_content::noise;
      },
      "what they are made of")
    ->check(CLI::IsMember({"noise", "json"}))
    ->default_str("noise");
  sub->add_flag("!--no-compression", x.compress,
                "the engine stores values as they are");
  sub
    ->add_option("--threads", x.threads,
                 "threads that read, one number after another")
    ->check(CLI::Range(1, 256))
    ->delimiter(',')
    ->capture_default_str();
  sub->add_option("--batches", x.batches, "keys in a call that reads, likewise")
    ->check(CLI::Range(1, 1000))
    ->delimiter(',')
    ->capture_default_str();
  sub->add_option("--callers", x.callers, "of the actor, at once")
    ->check(CLI::Range(1, 10'000))
    ->capture_default_str();
  sub->add_option("--writes", x.writes, "in a turn, at most all entries")
    ->check(CLI::Range(1, 1'000'000'000))
    ->capture_default_str();
  sub->add_option("--group", x.group, "writes in a transaction or batch")
    ->check(CLI::Range(1, 100'000))
    ->capture_default_str();
  sub->add_option("--seconds", x.seconds, "of reading in a turn")
    ->check(CLI::Range(0.001, 3600.0))
    ->capture_default_str();
  add_rounds(*sub, x.rounds);
  add_path(*sub, x.path);
  sub->add_flag("--json", x.json, "for programs");
  sub->add_flag("--quiet", x.quiet, "no progress bar");
  sub->final_callback([&x] {
    if (x.value_size < 128 || x.value_size > (64u << 10))
      throw CLI::ValidationError("--value-size", "expected 128 to 64KiB");
  });
  return sub;
}

CLI::App* declare(CLI::App& app, disk_open_options& x) {
  using role = disk_open_options::role;
  auto sub = app.add_subcommand("disk-open",
                                "how long until a disk tier answers");
  sub->add_option("--entries", x.entries, "sizes of the store")
    ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 32))
    ->delimiter(',')
    ->capture_default_str();
  add_size(*sub, x.value_size);
  add_rounds(*sub, x.rounds);
  add_path(*sub, x.path);
  sub->add_flag("--json", x.json, "for programs");
  sub->add_flag("--quiet", x.quiet, "no progress bar");
  // Not shown by --help: what the processes are told that this one starts.
  sub
    ->add_option_function<std::string>("--role",
                                       [&x](const std::string& text) {
                                         x.what = text == "open" ? role::open
                                                                 : role::write;
                                       })
    ->check(CLI::IsMember({"open", "write"}))
    ->group("");
  sub->add_option("--number", x.number)->group("");
  return sub;
}

CLI::App* declare(CLI::App& app, disk_churn_options& x) {
  auto sub = app.add_subcommand(
    "disk-churn", "tell whether the disk tier keeps its bound under churn");
  auto add_bytes = [&](const char* name, std::uint64_t& out, const char* what) {
    sub
      ->add_option_function<std::string>(
        name, [&out](const std::string& text) { out = read_size(text); }, what)
      ->type_name("SIZE")
      ->default_str(format_size(out));
  };
  add_bytes("--max-size", x.max_size, "the bound");
  add_bytes("--min-value", x.min_value, "size of the smallest values");
  add_bytes("--max-value", x.max_value, "size of the largest values");
  sub->add_flag("--large", x.large, "one value in 500 is of 1 MiB to 64 MiB");
  sub->add_option("--minutes", x.minutes, "how long")
    ->check(CLI::Range(0.01, 100'000.0))
    ->capture_default_str();
  sub
    ->add_option("--working-set", x.working_set,
                 "bytes of all keys together, in bounds")
    ->check(CLI::Range(0.01, 1000.0))
    ->capture_default_str();
  sub->add_option("--zipf", x.skew, "skew of their popularity; 0: uniform")
    ->check(CLI::Range(0.0, 5.0))
    ->capture_default_str();
  sub
    ->add_option("--write-share", x.write_share,
                 "of requests that write without asking")
    ->check(CLI::Range(0.0, 1.0))
    ->capture_default_str();
  sub->add_option("--callers", x.callers, "requests under way at once")
    ->check(CLI::Range(1, 10'000))
    ->capture_default_str();
  sub
    ->add_option("--bound-ratio", x.bound_ratio,
                 "fail if files grow past this times the bound")
    ->check(CLI::Range(0.1, 100.0))
    ->capture_default_str();
  sub->add_option("--seed", x.seed, "of everything random")
    ->capture_default_str();
  add_node_settings(*sub, x.config_file, x.settings);
  add_path(*sub, x.path);
  sub->add_flag("--json", x.json, "for programs");
  sub->final_callback([&x] {
    if (x.min_value > x.max_value)
      throw CLI::ValidationError("--min-value", "is above --max-value");
  });
  return sub;
}

CLI::App* declare(CLI::App& app, disk_policy_options& x) {
  auto sub = app.add_subcommand("disk-policy",
                                "run traces through L1 and a disk");
  sub->add_option("traces", x.traces, "as in hitratio, one or more")
    ->required();
  sub
    ->add_option("--sizes", x.sizes,
                 "of the disk: 1% of all keys, or 5000 objects; with recorded "
                 "sizes, bytes")
    ->delimiter(',')
    ->capture_default_str();
  sub->add_option("--l1-policy", x.l1_policy, "of memory")
    ->capture_default_str();
  sub->add_option("--l1-share", x.l1_share, "its size in that of the disk")
    ->check(CLI::Range(0.0, 1.0))
    ->capture_default_str();
  sub->add_option("--limit", x.limit, "at most this many requests; 0: all")
    ->capture_default_str();
  sub->add_flag("--json", x.json, "for programs");
  return sub;
}

} // namespace

disk_commands::disk_commands(CLI::App& app)
  : disk_command_(declare(app, disk_)),
    open_command_(declare(app, open_)),
    churn_command_(declare(app, churn_)),
    policy_command_(declare(app, policy_)) {
  // nop
}

std::optional<int> disk_commands::run() {
  if (disk_command_->parsed())
    return disk(disk_);
  if (open_command_->parsed())
    return disk_open(open_);
  if (churn_command_->parsed())
    return disk_churn(churn_);
  if (policy_command_->parsed())
    return disk_policy(policy_);
  return std::nullopt;
}

} // namespace terrace::bench
