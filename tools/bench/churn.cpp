#include "tools/bench/churn.hpp"

#include "tools/bench/engine.hpp"
#include "tools/bench/resident.hpp"
#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <random>
#include <thread>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

/// Sizes in force, from the smallest to the largest.
struct phase {
  const char* name;
  std::uint64_t min;
  std::uint64_t max;
};

std::array<phase, 3> phases_of(const churn_options& x) {
  // Small ones share pages with others, large ones do not.
  auto limit = std::uint64_t{memory_arena::max_object};
  auto small = std::clamp(limit / 8, x.min_value, x.max_value);
  auto large = std::clamp(limit * 2, x.min_value, x.max_value);
  return {phase{"small", x.min_value, small},
          phase{"large", large, x.max_value},
          phase{"mixed", x.min_value, x.max_value}};
}

std::int64_t now_ms() {
  return std::chrono::system_clock::now().time_since_epoch() / milliseconds{1};
}

/// Log-uniform: each power of two as likely as the next.
std::uint64_t draw_size(const phase& x, std::mt19937_64& random) {
  std::uniform_real_distribution<double> exponent{
    std::log(static_cast<double>(x.min + 1)),
    std::log(static_cast<double>(x.max + 1))};
  auto size = static_cast<std::uint64_t>(std::exp(exponent(random)));
  return std::clamp(size, x.min + 1, x.max + 1) - 1;
}

/// What the threads share.
struct field {
  engine cache;
  std::array<phase, 3> phases;
  std::atomic<std::size_t> current{0};
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> writes{0};
};

/// Of 64 requests 50 write, 13 read and one erases.
void write_until_done(field& x, std::size_t keys, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  std::string bytes(x.phases.back().max, 'x');
  std::string key;
  while (!x.done) {
    auto now = now_ms();
    auto& sizes = x.phases[x.current];
    std::uint64_t writes = 0;
    for (unsigned i = 0; i < 64; ++i) {
      key = "00"; // a tenant
      key += std::to_string(random() % keys);
      if (i == 0) {
        x.cache.erase(key, now);
      } else if (i % 5 == 0) {
        auto& view = x.cache.view();
        auto pinned = view.pin();
        view.find(pinned, key, view.hash(key), now);
      } else {
        auto size = draw_size(sizes, random);
        x.cache.put(key, {bytes.data(), size}, now);
        ++writes;
      }
    }
    x.writes += writes;
  }
}

struct sample {
  double seconds;
  const char* phase;
  std::uint64_t resident; ///< beyond the start
  double ratio;           ///< of it to the bound
  engine_figures figures;
  std::uint64_t writes;
};

void print_line(const sample& x) {
  auto extra = [&](const char* name) { return x.figures.tier.extra.at(name); };
  std::printf(
    "%5.0f s  %-5s  %9s  %5.3f  %9s  %9s  %9s  %9s  %11s  %11s  %12s\n",
    x.seconds, x.phase, bytes_text(x.resident).c_str(), x.ratio,
    bytes_text(x.figures.tier.bytes).c_str(),
    bytes_text(extra("page_bytes")).c_str(),
    bytes_text(extra("aside_bytes")).c_str(),
    count_text(x.figures.tier.entries).c_str(),
    count_text(x.figures.tier.evictions).c_str(),
    count_text(x.figures.callbacks).c_str(), count_text(x.writes).c_str());
  std::fflush(stdout);
}

/// Changes the phase, sweeps as the memory tier does and takes samples.
std::vector<sample> watch(field& x, const churn_options& opts,
                          std::uint64_t at_start, double& largest) {
  std::vector<sample> result;
  auto start = clock_type::now();
  auto end = start + std::chrono::duration<double>(opts.minutes * 60);
  auto next_line = start + opts.every;
  for (auto now = start; now < end;) {
    std::this_thread::sleep_for(memory_options{}.sweep_interval);
    x.cache.sweep(now_ms());
    now = clock_type::now();
    auto resident = resident_bytes();
    resident -= std::min(resident, at_start);
    auto ratio = static_cast<double>(resident)
                 / static_cast<double>(opts.max_size);
    largest = std::max(largest, ratio);
    auto phase = x.phases[x.current].name;
    x.current = static_cast<std::size_t>((now - start) / opts.phase)
                % x.phases.size();
    if (now < next_line && now < end)
      continue;
    next_line += opts.every;
    auto seconds = std::chrono::duration<double>(now - start).count();
    result.push_back(
      {seconds, phase, resident, ratio, x.cache.figures(), x.writes});
    if (!opts.json)
      print_line(result.back());
  }
  return result;
}

void print_json(const churn_options& opts, const std::vector<sample>& samples,
                double largest) {
  nlohmann::ordered_json lines = nlohmann::ordered_json::array();
  for (auto& x : samples)
    lines.push_back({{"seconds", x.seconds},
                     {"phase", x.phase},
                     {"resident", x.resident},
                     {"ratio", x.ratio},
                     {"accounted", x.figures.tier.bytes},
                     {"extra", x.figures.tier.extra},
                     {"entries", x.figures.tier.entries},
                     {"evictions", x.figures.tier.evictions},
                     {"eviction_callbacks", x.figures.callbacks},
                     {"writes", x.writes}});
  nlohmann::ordered_json out{{"max_size", opts.max_size},
                             {"bound_ratio", opts.bound_ratio},
                             {"largest_ratio", largest},
                             {"samples", std::move(lines)}};
  std::cout << out.dump(2) << '\n';
}

} // namespace

int churn(const churn_options& opts) {
  auto at_start = resident_bytes();
  memory_options bounds;
  bounds.policy = opts.policy;
  bounds.max_size = opts.max_size;
  field x{{bounds, opts.shards}, phases_of(opts)};
  if (!opts.json) {
    std::printf("bound %s, values of %s to %s, %zu writers, %zu shards\n",
                bytes_text(opts.max_size).c_str(),
                bytes_text(opts.min_value).c_str(),
                bytes_text(opts.max_value).c_str(), opts.writers, opts.shards);
    std::printf(
      "   time  phase   resident  ratio  accounted      pages      aside"
      "    entries"
      "    evictions    callbacks        writes\n");
  }
  std::vector<std::thread> writers;
  for (std::size_t i = 0; i < opts.writers; ++i)
    writers.emplace_back([&, i] { write_until_done(x, opts.keys, i + 1); });
  double largest = 0;
  auto samples = watch(x, opts, at_start, largest);
  x.done = true;
  for (auto& writer : writers)
    writer.join();
  if (opts.json)
    print_json(opts, samples, largest);
  else
    std::printf("largest ratio: %.3f of %.3f allowed\n", largest,
                opts.bound_ratio);
  if (largest <= opts.bound_ratio)
    return 0;
  std::cerr << "terrace-bench: memory grew past its bound\n";
  return 1;
}

} // namespace terrace::bench
