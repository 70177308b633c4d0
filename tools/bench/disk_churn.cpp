#include "tools/bench/disk_churn.hpp"

#include "actors/clock.hpp"
#include "actors/disk_tier.hpp"
#include "tools/bench/caf_config.hpp"
#include "tools/bench/disk_churn_report.hpp"
#include "tools/bench/local_node.hpp"
#include "tools/bench/temp_folder.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

/// Between two looks at the files.
constexpr std::chrono::milliseconds look_every{250};

footprint look_at(const std::filesystem::path& folder) {
  constexpr std::uint64_t block = 512; // of st_blocks, see stat(2)
  footprint result;
  std::error_code ec; // files come and go
  for (auto& file : std::filesystem::directory_iterator{folder, ec}) {
    struct stat x {};
    if (::stat(file.path().c_str(), &x) != 0)
      continue;
    result.length += static_cast<std::uint64_t>(x.st_size);
    result.blocks += static_cast<std::uint64_t>(x.st_blocks) * block;
  }
  return result;
}

/// Bytes that this process has given to write(2) and its like; zero if that
/// cannot be read.
std::uint64_t written_bytes() {
  std::ifstream in{"/proc/self/io"};
  std::string name;
  std::uint64_t value;
  while (in >> name >> value)
    if (name == "wchar:")
      return value;
  return 0;
}

/// The tier, the load, and who watches.
class churn_run {
public:
  churn_run(const disk_churn_options& opts, std::filesystem::path folder)
    : opts_(opts), folder_(std::move(folder)), values_(opts) {
    // nop
  }

  expected<void> start(const options& config) {
    auto tier = spawn_disk_tier(sys_, config.disk, config.compression, folder_,
                                system_now_ms);
    if (!tier)
      return tier.error();
    tier_ = *std::move(tier);
    return {};
  }

  /// Blocks for `disk_churn_options::minutes`.
  churn_result watch();

  const churn_counters& counters() const noexcept {
    return counters_;
  }

  std::size_t keys() const noexcept {
    return values_.keys();
  }

  ~churn_run() {
    if (tier_.actor)
      caf::anon_send_exit(tier_.actor, caf::exit_reason::user_shutdown);
  }

private:
  churn_sample sample(double seconds);

  const disk_churn_options& opts_;
  std::filesystem::path folder_;
  churn_values values_;
  churn_counters counters_;
  caf_config cfg_;
  caf::actor_system sys_{cfg_};
  tier_handle tier_;
};

churn_sample churn_run::sample(double seconds) {
  churn_sample result;
  result.seconds = seconds;
  result.disk = look_at(folder_);
  result.hits = counters_.hits;
  result.lookups = result.hits + counters_.misses;
  result.accepted = counters_.accepted;
  result.written = written_bytes();
  caf::scoped_actor self{sys_};
  self->request(tier_.actor, caf::infinite, status_atom_v)
    .receive([&](tier_status& x) { result.tier = std::move(x); },
             [](caf::error&) {});
  return result;
}

churn_result churn_run::watch() {
  churn_result result;
  std::atomic<bool> done{false};
  auto start = clock_type::now();
  auto end = start + std::chrono::duration<double>(opts_.minutes * 60);
  result.looks.push_back(sample(0));
  auto ended = run_churn(sys_, tier_, values_, opts_, counters_, done);
  auto next_second = start + std::chrono::seconds{1};
  auto next_line = start + opts_.every;
  std::uint64_t accepted = 0;
  for (auto now = start; now < end;) {
    std::this_thread::sleep_for(look_every);
    now = clock_type::now();
    auto disk = look_at(folder_);
    result.largest.blocks = std::max(result.largest.blocks, disk.blocks);
    result.largest.length = std::max(result.largest.length, disk.length);
    if (now >= next_second) {
      auto all = counters_.accepted.load();
      result.seconds.add(all - std::exchange(accepted, all));
      next_second += std::chrono::seconds{1};
    }
    if (now < next_line && now < end)
      continue;
    next_line += opts_.every;
    result.looks.push_back(
      sample(std::chrono::duration<double>(now - start).count()));
    auto n = result.looks.size();
    if (!opts_.json)
      print_line(opts_, {result.looks[n - 2], result.looks[n - 1]});
  }
  done = true;
  ended.get();
  return result;
}

int fail(const std::string& why) {
  std::cerr << "terrace-bench: " << why << '\n';
  return 1;
}

} // namespace

int disk_churn(const disk_churn_options& opts) {
  auto config = read_options(opts.config_file, opts.settings);
  if (!config)
    return fail(to_string(config.error()));
  config->disk.max_size = opts.max_size;
  auto folder = temp_folder::make(opts.path);
  if (!folder)
    return fail(to_string(folder.error()));
  churn_run run{opts, folder->path()};
  if (auto ok = run.start(*config); !ok)
    return fail(to_string(ok.error()));
  if (!opts.json)
    print_head(opts, run.keys());
  auto result = run.watch();
  auto& counters = run.counters();
  print_end(opts, result, counters);
  if (counters.wrong > 0 || counters.failed > 0)
    return fail("values were wrong or requests failed");
  if (ratio(result.largest.blocks, opts.max_size) > opts.bound_ratio)
    return fail("the disk tier grew past its bound");
  return 0;
}

} // namespace terrace::bench
