#include "tools/bench/disk_open.hpp"

#include "tools/bench/disk_open_store.hpp"
#include "tools/bench/own_process.hpp"
#include "tools/bench/progress.hpp"
#include "tools/bench/samples.hpp"
#include "tools/bench/temp_folder.hpp"
#include "tools/common/text_table.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <sstream>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

constexpr double longest_ns = 50e6;
constexpr double steepest = 1.5;
constexpr double noise_ns = 2e6;

/// Versions that a writer may use up before it is killed.
constexpr std::uint64_t versions_of_writer = 1ull << 32;

/// All times of one state of one size.
struct opened {
  std::string state;
  samples open;
  samples answered;
  samples counted;
  samples described;
};

struct size_result {
  std::uint64_t entries = 0;
  double fill_rate = 0; ///< entries per second
  std::uint64_t file_bytes = 0;
  std::vector<opened> states;
};

expected<void> look(const std::string& folder, const disk_open_options& opts,
                    std::uint64_t entries, std::size_t round, opened& to) {
  auto number = (round * 2654435761u + 12345) % entries;
  auto other = own_process::start(
    {"disk-open", "--role", "open", "--path", folder, "--value-size",
     std::to_string(opts.value_size), "--number", std::to_string(number)});
  if (!other)
    return other.error();
  auto line = other->line();
  if (!line)
    return line.error();
  std::uint64_t open, answered, counted, described, count;
  if (!(std::istringstream{*line} >> open >> answered >> counted >> described
        >> count))
    return failure{errc::io_failure, "the other process said " + *line};
  if (count != entries)
    return failure{errc::corrupt, "counted " + std::to_string(count) + " of "
                                    + std::to_string(entries) + " entries"};
  to.open.add(open);
  to.answered.add(answered);
  to.counted.add(counted);
  to.described.add(described);
  return {};
}

/// Makes the page cache forget a file that nobody has mapped.
expected<void> drop_cache(const std::string& file) {
  auto fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  auto ok = fd >= 0 && ::fdatasync(fd) == 0
            && ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
  if (fd >= 0)
    ::close(fd);
  if (!ok)
    return failure{errc::io_failure, file + " stays in the page cache"};
  return {};
}

expected<void> write_and_kill(const std::string& folder,
                              const disk_open_options& opts,
                              std::uint64_t version) {
  auto other = own_process::start(
    {"disk-open", "--role", "write", "--path", folder, "--value-size",
     std::to_string(opts.value_size), "--number", std::to_string(version)});
  if (!other)
    return other.error();
  auto line = other->line();
  other->kill();
  if (!line)
    return line.error();
  return {};
}

expected<void> fill(const std::string& folder, const disk_open_options& opts,
                    size_result& to) {
  auto store = open_bench_store(folder);
  if (!store)
    return store.error();
  auto start = clock_type::now();
  if (auto ok = fill_bench_store(**store, to.entries, opts.value_size); !ok)
    return ok;
  std::chrono::duration<double> took = clock_type::now() - start;
  to.fill_rate = static_cast<double>(to.entries) / took.count();
  tier_status status;
  (*store)->describe(status);
  to.file_bytes = status.extra["file_size_bytes"];
  return {};
}

expected<size_result> measure(std::uint64_t entries,
                              const disk_open_options& opts, progress& shown) {
  auto place = temp_folder::make(opts.path);
  if (!place)
    return place.error();
  auto folder = place->path().string();
  size_result result;
  result.entries = entries;
  if (auto ok = fill(folder, opts, result); !ok)
    return ok.error();
  for (auto* state : {"closed", "cold", "killed"}) {
    opened x;
    x.state = state;
    for (std::size_t i = 0; i < opts.rounds; ++i, shown.advance()) {
      expected<void> ok;
      if (x.state == "cold")
        ok = drop_cache(folder + "/data.mdb");
      if (x.state == "killed")
        ok = write_and_kill(folder, opts, (i + 1) * versions_of_writer);
      if (ok)
        ok = look(folder, opts, entries, i, x);
      if (!ok)
        return ok.error();
    }
    result.states.push_back(std::move(x));
  }
  return result;
}

// -- report -------------------------------------------------------------------

/// Whether what must be instant is.
bool good(std::vector<size_result>& xs) {
  std::optional<double> fewest;
  for (auto& x : xs) {
    auto median = x.states.front().answered.quantile(0.5);
    fewest = fewest ? fewest : median;
    if (median > longest_ns || median > steepest * *fewest + noise_ns)
      return false;
  }
  return true;
}

void print_table(std::vector<size_result>& xs, std::size_t rounds) {
  std::cout << "from open to the first answer, " << rounds
            << " times each; medians, unless it says max\n";
  text_table table{{"", "entries", "file", "filled/s", "open", "answered",
                    "max", "count", "describe"}};
  for (auto& x : xs)
    for (auto& y : x.states) {
      auto text = [](samples& z, double q) {
        return duration_text(z.quantile(q));
      };
      table.add({y.state, count_text(x.entries), bytes_text(x.file_bytes),
                 count_text(static_cast<std::uint64_t>(x.fill_rate)),
                 text(y.open, 0.5), text(y.answered, 0.5), text(y.answered, 1),
                 text(y.counted, 0.5), text(y.described, 0.5)});
    }
  std::cout << table.str();
}

void print_json(std::vector<size_result>& xs, const disk_open_options& opts) {
  nlohmann::ordered_json out{{"value_size", opts.value_size},
                             {"rounds", opts.rounds}};
  for (auto& x : xs) {
    nlohmann::ordered_json states;
    for (auto& y : x.states)
      states[y.state] = {{"open_ns", y.open.quantile(0.5)},
                         {"answered_ns", y.answered.quantile(0.5)},
                         {"answered_max_ns", y.answered.quantile(1)},
                         {"count_ns", y.counted.quantile(0.5)},
                         {"describe_ns", y.described.quantile(0.5)}};
    out["sizes"].push_back({{"entries", x.entries},
                            {"file_bytes", x.file_bytes},
                            {"filled_per_s", x.fill_rate},
                            {"states", std::move(states)}});
  }
  out["good"] = good(xs);
  std::cout << out.dump(2) << '\n';
}

} // namespace

int disk_open(const disk_open_options& opts) {
  if (opts.what != disk_open_options::role::measure)
    return disk_open_role(opts);
  std::vector<size_result> results;
  progress shown{"opened", 3 * opts.rounds * opts.entries.size(),
                 opts.quiet || opts.json};
  for (auto entries : opts.entries) {
    auto x = measure(entries, opts, shown);
    if (!x) {
      std::cerr << "terrace-bench: " << to_string(x.error()) << '\n';
      return 1;
    }
    results.push_back(*std::move(x));
  }
  if (opts.json)
    print_json(results, opts);
  else
    print_table(results, opts.rounds);
  return good(results) ? 0 : 1;
}

} // namespace terrace::bench
