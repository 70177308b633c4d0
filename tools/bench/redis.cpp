#include "tools/bench/redis.hpp"

#include "actors/clock.hpp"
#include "actors/redis_tier.hpp"
#include "tools/bench/caf_config.hpp"
#include "tools/bench/peers_hiredis.hpp"
#include "tools/bench/progress.hpp"
#include "tools/bench/redis_process.hpp"
#include "tools/bench/tier_callers.hpp"
#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>

namespace terrace::bench {

namespace {

/// What the tier must reach, as multiples of what hiredis does.
constexpr double least_of_pipelines = 0.8;
constexpr double least_of_singles = 8;

/// Look-ups per second, one figure a round.
struct series {
  std::vector<double> rounds;

  double median() {
    std::sort(rounds.begin(), rounds.end());
    return rounds[rounds.size() / 2];
  }
};

/// One way to the server, with everybody who takes it.
struct way {
  const char* name;
  tier_handle tier;
  hiredis_peer peer;
  series terrace, pipelines, singles;

  double of_pipelines() {
    return terrace.median() / pipelines.median();
  }

  double of_singles() {
    return terrace.median() / singles.median();
  }

  bool good() {
    return of_pipelines() >= least_of_pipelines
           && of_singles() >= least_of_singles;
  }
};

expected<way> open_way(caf::actor_system& sys, const char* name,
                       const std::string& url, expected<hiredis_peer> peer) {
  if (!peer)
    return peer.error();
  redis_options opts;
  opts.url = url;
  // A busy machine must not look like a server that hangs.
  opts.connect_timeout = opts.command_timeout = milliseconds{1000};
  auto tier = spawn_redis_tier(sys, opts, {}, system_now_ms);
  if (!tier)
    return tier.error();
  return way{name, *std::move(tier), *std::move(peer), {}, {}, {}};
}

expected<void> note(series& to, expected<double> x) {
  if (!x)
    return x.error();
  to.rounds.push_back(*x);
  return {};
}

/// One turn of everybody on every way; who begins changes from round to round.
expected<void> run_round(caf::actor_system& sys, std::vector<way>& ways,
                         const redis_values& values,
                         const redis_bench_options& opts, std::size_t round) {
  std::chrono::duration<double> length{opts.seconds};
  for (auto& x : ways)
    for (std::size_t i = 0; i < 3; ++i) {
      expected<void> ok;
      switch ((i + round) % 3) {
        case 0:
          ok = note(x.terrace,
                    run_readers(sys, x.tier, values, {opts.readers}, length));
          break;
        case 1:
          ok = note(x.pipelines, x.peer.run(values, opts.readers, length));
          break;
        default:
          ok = note(x.singles, x.peer.run(values, 1, length));
      }
      if (!ok)
        return ok;
    }
  return {};
}

expected<void> measure(std::vector<way>& ways, caf::actor_system& sys,
                       const redis_bench_options& opts) {
  redis_values values{opts.keys, opts.value_size};
  if (auto ok = fill_tier(sys, ways.front().tier, values); !ok)
    return ok;
  progress shown{"rounds", opts.rounds, opts.quiet || opts.json};
  for (std::size_t i = 0; i < opts.rounds; ++i) {
    if (auto ok = run_round(sys, ways, values, opts, i); !ok)
      return ok;
    shown.advance();
  }
  return {};
}

// -- report -------------------------------------------------------------------

std::string two_decimals(double x) {
  char buf[32];
  std::snprintf(buf, sizeof(buf), "%.2f", x);
  return buf;
}

std::string cell_text(series& x) {
  auto text = [](double y) { return count_text(static_cast<uint64_t>(y)); };
  auto median = text(x.median());
  return median + " (" + text(x.rounds.front()) + ".." + text(x.rounds.back())
         + ')';
}

nlohmann::ordered_json to_json(series& x) {
  auto median = x.median();
  return {
    {"median", median}, {"min", x.rounds.front()}, {"max", x.rounds.back()}};
}

void print(std::vector<way>& ways, const redis_bench_options& opts) {
  if (opts.json) {
    nlohmann::ordered_json out{
      {"keys", opts.keys},       {"value_size", opts.value_size},
      {"readers", opts.readers}, {"seconds", opts.seconds},
      {"rounds", opts.rounds},   {"ways", nlohmann::ordered_json::array()}};
    for (auto& x : ways)
      out["ways"].push_back({{"way", x.name},
                             {"terrace_per_s", to_json(x.terrace)},
                             {"hiredis_pipelines_per_s", to_json(x.pipelines)},
                             {"hiredis_singles_per_s", to_json(x.singles)},
                             {"of_pipelines", x.of_pipelines()},
                             {"of_singles", x.of_singles()},
                             {"good", x.good()}});
    std::cout << out.dump(2) << '\n';
    return;
  }
  std::cout << count_text(opts.keys) << " keys, " << bytes_text(opts.value_size)
            << " values, " << opts.rounds << " rounds of "
            << duration_text(opts.seconds * 1e9)
            << ";\nlook-ups per second, median (min..max)\n";
  std::vector<std::string> head{""};
  for (auto& x : ways)
    head.emplace_back(x.name);
  text_table table{head};
  auto add = [&](std::string what, auto cell) {
    std::vector<std::string> row{std::move(what)};
    for (auto& x : ways)
      row.push_back(cell(x));
    table.add(std::move(row));
  };
  auto depth = std::to_string(opts.readers);
  add("terrace, " + depth + " readers",
      [](way& x) { return cell_text(x.terrace); });
  add("hiredis, pipelines of " + depth,
      [](way& x) { return cell_text(x.pipelines); });
  add("hiredis, one at a time", [](way& x) { return cell_text(x.singles); });
  add("terrace / pipelines, at least " + two_decimals(least_of_pipelines),
      [](way& x) { return two_decimals(x.of_pipelines()); });
  add("terrace / one at a time, at least " + two_decimals(least_of_singles),
      [](way& x) { return two_decimals(x.of_singles()); });
  std::cout << table.str();
}

int fail(const failure& why) {
  std::cerr << "terrace-bench: " << to_string(why) << '\n';
  return 1;
}

} // namespace

int redis(const redis_bench_options& opts) {
  auto server = redis_process::start();
  if (!server)
    return fail(server.error());
  caf_config cfg;
  caf::actor_system sys{cfg};
  std::vector<way> ways;
  auto add = [&](expected<way> x) -> expected<void> {
    if (!x)
      return x.error();
    ways.push_back(*std::move(x));
    return {};
  };
  auto port = server->port();
  auto socket = server->socket_path();
  auto ok
    = add(open_way(sys, "TCP", "redis://127.0.0.1:" + std::to_string(port),
                   hiredis_peer::by_port(port)));
  if (ok)
    ok = add(open_way(sys, "Unix socket", "unix://" + socket,
                      hiredis_peer::by_socket(socket)));
  if (ok)
    ok = measure(ways, sys, opts);
  if (ok)
    print(ways, opts);
  const bool good = ok && std::all_of(ways.begin(), ways.end(), [](way& x) {
                      return x.good();
                    });
  for (auto& x : ways)
    caf::anon_send_exit(x.tier.actor, caf::exit_reason::user_shutdown);
  if (!ok)
    return fail(ok.error());
  return good ? 0 : 1;
}

} // namespace terrace::bench
