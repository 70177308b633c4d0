#include "tools/bench/restart.hpp"

#include "tools/bench/hit_windows.hpp"
#include "tools/bench/local_node.hpp"
#include "tools/bench/node_process.hpp"
#include "tools/bench/origin.hpp"
#include "tools/bench/paced_load.hpp"
#include "tools/bench/progress.hpp"
#include "tools/bench/resp_client.hpp"
#include "tools/bench/samples.hpp"
#include "tools/bench/temp_folder.hpp"
#include "tools/bench/zipf.hpp"
#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

#include <stdlib.h>

#include <algorithm>
#include <iostream>
#include <random>

namespace terrace::bench {

namespace {

/// Of what the hit ratio was before, what it must come back to.
constexpr double share_back = 0.95;

/// One load on a node that was just started.
struct episode {
  double back_s = 0; ///< when the hit ratio was back, or the end
  bool came_back = false;
  double ratio = 0;       ///< in the second half
  std::uint64_t keys = 0; ///< looked up by the warm restart
  std::uint64_t preload_ms = 0;
  samples latencies; ///< of requests until then
};

/// Those of all rounds of one way to start.
struct series {
  const char* name;
  bool warm;
  std::vector<double> times;
  std::size_t lost = 0; ///< rounds in which it did not come back
  std::uint64_t keys = 0;
  std::uint64_t preload_ms = 0;
  samples latencies;

  double median() {
    std::sort(times.begin(), times.end());
    return times.empty() ? 0 : times[times.size() / 2];
  }
};

class bench {
public:
  bench(const restart_options& opts, std::string folder)
    : opts_(opts),
      folder_(std::move(folder)),
      program_(opts.program.empty() ? node_process::beside() : opts.program),
      popularity_(opts.keys, opts.skew) {
    // nop
  }

  expected<node_process> start(bool warm) {
    return node_process::start(
      program_, folder_,
      {"memory.max_size=" + std::to_string(opts_.memory),
       std::string{"warming.restart="} + (warm ? "true" : "false"),
       "disk.max_size=1TiB", "redis.enabled=false"});
  }

  expected<void> fill(const node_process& to) {
    auto x = resp_client::connect({"127.0.0.1", to.resp_port()}, 0);
    if (!x)
      return x.error();
    progress shown{"writing", opts_.keys, opts_.quiet || opts_.json};
    for (std::size_t i = 0; i < opts_.keys; ++i) {
      auto key = key_of(i);
      auto ok = x->set(key, origin::value_of(key, opts_.value_size), 0);
      if (!ok)
        return ok.error();
      shown.advance();
    }
    return {};
  }

  /// Loads a node for `seconds`, in which it has to have every value.
  /// `wanted`: hit ratio to come back to.
  expected<episode> load(const node_process& to, double seconds, double wanted,
                         std::uint64_t seed) {
    paced_options paced;
    paced.port = to.resp_port();
    paced.connections = opts_.connections;
    paced.rate = opts_.rate;
    paced.length
      = std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
    std::mt19937_64 random{seed};
    hit_watch watch{to.http_port()};
    auto x = run_paced(paced, [&] { return key_of(popularity_(random)); });
    if (!x)
      return x.error();
    if (x->answers.misses + x->answers.errors > 0)
      return failure{errc::protocol_violation,
                     count_text(x->answers.misses) + " values are missing, "
                       + count_text(x->answers.errors) + " errors"};
    auto windows = watch.stop();
    episode result;
    result.ratio = ratio_of(windows, windows.size() / 2, windows.size());
    auto back = time_back(windows, share_back * wanted);
    result.came_back = back.has_value();
    result.back_s = back.value_or(seconds);
    auto& actors = watch.last().actors;
    if (auto i = actors.find("warm_restart"); i != actors.end()) {
      result.keys = i->second.at("preload_found");
      result.preload_ms = i->second.at("preload_ms");
    }
    for (auto& request : x->requests)
      if (static_cast<double>(request.due_ns) <= result.back_s * 1e9)
        result.latencies.add(request.took_ns);
    return result;
  }

  /// Fills a node, and loads it until its memory is as it is going to be.
  expected<episode> prepare() {
    auto node = start(true);
    if (!node)
      return node.error();
    if (auto ok = fill(*node); !ok)
      return ok.error();
    auto result = load(*node, opts_.before_s, 1, 1);
    if (!result)
      return result;
    if (auto ok = node->stop(); !ok)
      return ok.error();
    return result;
  }

  /// A restart without the warm one leaves the list of keys as it is, so that
  /// the next one finds what the last warm one left.
  expected<void> restart_once(series& to, double wanted, std::uint64_t seed) {
    auto node = start(to.warm);
    if (!node)
      return node.error();
    auto x = load(*node, opts_.after_s, wanted, seed);
    if (!x)
      return x.error();
    to.times.push_back(x->back_s);
    to.lost += x->came_back ? 0 : 1;
    to.keys = x->keys;
    to.preload_ms = x->preload_ms;
    to.latencies.merge(x->latencies);
    return node->stop();
  }

private:
  static std::string key_of(std::size_t i) {
    return "key:" + std::to_string(i);
  }

  const restart_options& opts_;
  std::string folder_;
  std::string program_;
  zipf popularity_;
};

nlohmann::ordered_json latencies_json(samples& x) {
  auto ms = [&](double q) { return x.quantile(q) / 1e6; };
  return {{"p50", ms(0.5)}, {"p99", ms(0.99)}, {"p999", ms(0.999)}};
}

void print_json(const restart_options& opts, episode& before,
                std::vector<series>& xs) {
  nlohmann::ordered_json out{{"keys", opts.keys},
                             {"value_size", opts.value_size},
                             {"memory", opts.memory},
                             {"zipf", opts.skew},
                             {"rate", opts.rate},
                             {"rounds", opts.rounds},
                             {"hit_ratio_before", before.ratio},
                             {"latency_ms_before",
                              latencies_json(before.latencies)}};
  for (auto& x : xs)
    out[x.warm ? "warm" : "cold"]
      = {{"seconds", x.median()},
         {"all", x.times},
         {"not_back", x.lost},
         {"preload_keys", x.keys},
         {"preload_ms", x.preload_ms},
         {"latency_ms", latencies_json(x.latencies)}};
  out["ratio"] = xs[0].median() / xs[1].median();
  std::cout << out.dump(2) << '\n';
}

void print(const restart_options& opts, episode& before,
           std::vector<series>& xs) {
  std::cout << count_text(opts.keys) << " keys with "
            << bytes_text(opts.value_size) << ", " << bytes_text(opts.memory)
            << " of memory, Zipf " << opts.skew << ", "
            << count_text(static_cast<std::uint64_t>(opts.rate))
            << " requests/s\nhit ratio of memory before: "
            << percent_text(before.ratio) << ", back at "
            << percent_text(share_back * before.ratio) << "\n\n";
  text_table table{{"restart", "back after", "from", "to", "not back",
                    "looked up", "in", "p50", "p99", "p99.9"}};
  auto seconds = [](double x) { return duration_text(x * 1e9); };
  for (auto& x : xs) {
    auto middle = x.median(); // sorts
    table.add({x.name, seconds(middle), seconds(x.times.front()),
               seconds(x.times.back()), count_text(x.lost), count_text(x.keys),
               seconds(static_cast<double>(x.preload_ms) / 1e3),
               duration_text(x.latencies.quantile(0.5)),
               duration_text(x.latencies.quantile(0.99)),
               duration_text(x.latencies.quantile(0.999))});
  }
  auto& l = before.latencies;
  table.add({"before", "-", "-", "-", "-", "-", "-",
             duration_text(l.quantile(0.5)), duration_text(l.quantile(0.99)),
             duration_text(l.quantile(0.999))});
  std::cout << table.str() << "\nWithout the warm restart it takes "
            << xs[0].median() / xs[1].median() << " times as long.\n";
}

int fail(const failure& why) {
  std::cerr << "terrace-bench: " << to_string(why) << '\n';
  return 1;
}

} // namespace

int restart(const restart_options& opts) {
  auto folder = temp_folder::make();
  if (!folder)
    return fail(folder.error());
  bench x{opts, folder->path().string()};
  auto before = x.prepare();
  if (!before)
    return fail(before.error());
  std::vector<series> xs{{"cold", false, {}, 0, 0, 0, {}},
                         {"warm", true, {}, 0, 0, 0, {}}};
  progress shown{"restarts", 2 * opts.rounds, opts.quiet || opts.json};
  for (std::size_t round = 0; round < opts.rounds; ++round)
    for (auto& way : xs) {
      if (auto ok = x.restart_once(way, before->ratio, 2 + round); !ok)
        return fail(ok.error());
      shown.advance();
    }
  if (opts.json)
    print_json(opts, *before, xs);
  else
    print(opts, *before, xs);
  return xs[1].lost == 0 ? 0 : 1;
}

} // namespace terrace::bench
