#include "tools/bench/disk_churn.hpp"

#include "actors/clock.hpp"
#include "actors/disk_tier.hpp"
#include "config/quantity.hpp"
#include "tools/bench/caf_config.hpp"
#include "tools/bench/disk_churn_load.hpp"
#include "tools/bench/local_node.hpp"
#include "tools/bench/samples.hpp"
#include "tools/bench/temp_folder.hpp"
#include "tools/common/text_table.hpp"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

/// Between two looks at the files.
constexpr std::chrono::milliseconds look_every{250};

/// Files in a folder.
struct footprint {
  std::uint64_t length = 0;
  std::uint64_t blocks = 0; ///< bytes of the device that they take
};

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

/// Totals at one moment.
struct churn_sample {
  double seconds = 0;
  footprint disk;
  std::uint64_t hits = 0;
  std::uint64_t lookups = 0;
  std::uint64_t accepted = 0;
  std::uint64_t written = 0;
  tier_status tier;
};

double ratio(std::uint64_t x, std::uint64_t of) {
  return of == 0 ? 0 : static_cast<double>(x) / static_cast<double>(of);
}

/// Between two samples.
struct churn_span {
  const churn_sample& from;
  const churn_sample& to;

  double hit_ratio() const {
    return ratio(to.hits - from.hits, to.lookups - from.lookups);
  }

  double amplification() const {
    return ratio(to.written - from.written, to.accepted - from.accepted);
  }

  double accepted_per_second() const {
    return static_cast<double>(to.accepted - from.accepted)
           / (to.seconds - from.seconds);
  }
};

struct churn_result {
  std::vector<churn_sample> looks; ///< one every `every`, and the ends
  footprint largest;
  samples seconds; ///< bytes accepted in single ones
};

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

void print_line(const disk_churn_options& opts, const churn_span& x) {
  auto& now = x.to;
  std::printf(
    "%5.0f s  %9s  %5.3f  %9s  %9s  %9s  %11s  %6.2f %%  %9s/s  "
    "%5.2f  %s\n",
    now.seconds, bytes_text(now.disk.blocks).c_str(),
    ratio(now.disk.blocks, opts.max_size), bytes_text(now.disk.length).c_str(),
    bytes_text(now.tier.bytes).c_str(), count_text(now.tier.entries).c_str(),
    count_text(now.tier.evictions).c_str(), 100 * x.hit_ratio(),
    bytes_text(static_cast<std::uint64_t>(x.accepted_per_second())).c_str(),
    x.amplification(), now.tier.state.c_str());
  std::fflush(stdout);
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

// -- report -------------------------------------------------------------------

void print_head(const disk_churn_options& opts, std::size_t keys) {
  std::printf("bound %s, %s keys, values of %s to %s%s, %zu callers\n",
              bytes_text(opts.max_size).c_str(), count_text(keys).c_str(),
              bytes_text(opts.min_value).c_str(),
              bytes_text(opts.max_value).c_str(),
              opts.large ? " and up to 64 MiB" : "", opts.callers);
  std::printf("   time     blocks  ratio     length    counted    entries"
              "    evictions      hits     accepted  ampl.  state\n");
}

void print_end(const disk_churn_options& opts, churn_result& x,
               const churn_counters& counters) {
  churn_span all{x.looks.front(), x.looks.back()};
  auto per_second = [&](double q) {
    return bytes_text(static_cast<std::uint64_t>(x.seconds.quantile(q)));
  };
  std::cout << "largest on disk: " << bytes_text(x.largest.blocks)
            << " in blocks, " << bytes_text(x.largest.length) << " in length, "
            << ratio(x.largest.blocks, opts.max_size)
            << " of the bound\nhit ratio " << percent_text(all.hit_ratio())
            << ", write amplification " << all.amplification()
            << "\naccepted in a second: median " << per_second(0.5)
            << ", fifth percentile " << per_second(0.05) << ", worst "
            << per_second(0) << "\nrefused " << counters.refused << ", failed "
            << counters.failed << ", wrong " << counters.wrong << '\n';
}

void print_json(const disk_churn_options& opts, churn_result& x,
                const churn_counters& counters) {
  nlohmann::ordered_json lines = nlohmann::ordered_json::array();
  for (auto& y : x.looks)
    lines.push_back({{"seconds", y.seconds},
                     {"blocks", y.disk.blocks},
                     {"length", y.disk.length},
                     {"counted", y.tier.bytes},
                     {"entries", y.tier.entries},
                     {"evictions", y.tier.evictions},
                     {"hits", y.hits},
                     {"lookups", y.lookups},
                     {"accepted", y.accepted},
                     {"written", y.written},
                     {"state", y.tier.state},
                     {"extra", y.tier.extra}});
  churn_span all{x.looks.front(), x.looks.back()};
  nlohmann::ordered_json out{{"max_size", opts.max_size},
                             {"largest_blocks", x.largest.blocks},
                             {"largest_length", x.largest.length},
                             {"hit_ratio", all.hit_ratio()},
                             {"write_amplification", all.amplification()},
                             {"accepted_per_s_median", x.seconds.quantile(0.5)},
                             {"accepted_per_s_p5", x.seconds.quantile(0.05)},
                             {"accepted_per_s_worst", x.seconds.quantile(0)},
                             {"refused", counters.refused.load()},
                             {"failed", counters.failed.load()},
                             {"wrong", counters.wrong.load()},
                             {"samples", std::move(lines)}};
  std::cout << out.dump(2) << '\n';
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
  if (opts.json)
    print_json(opts, result, counters);
  else
    print_end(opts, result, counters);
  if (counters.wrong > 0 || counters.failed > 0)
    return fail("values were wrong or requests failed");
  if (ratio(result.largest.blocks, opts.max_size) > opts.bound_ratio)
    return fail("the disk tier grew past its bound");
  return 0;
}

} // namespace terrace::bench
