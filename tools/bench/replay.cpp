#include "tools/bench/replay.hpp"

#include "tools/bench/progress.hpp"
#include "tools/bench/replay_report.hpp"
#include "tools/bench/replay_target.hpp"
#include "tools/bench/trace.hpp"

#include <filesystem>
#include <iostream>
#include <mutex>
#include <thread>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

/// Longer than this nobody waits for an origin unless told to.
constexpr std::chrono::seconds longest_wait{60};

int fail(const failure& why) {
  std::cerr << "terrace-bench: " << to_string(why) << '\n';
  return 1;
}

/// Where threads take requests from and put what they measured.
struct run {
  const replay_options& opts;
  const trace& from;
  origin& source;
  progress& shown;
  replay_report& report;
  std::atomic<std::size_t> next{0};
  std::mutex mutex{}; ///< guards `report` and `why`
  failure why{};

  void work(replay_session& session) {
    samples latencies;
    std::uint64_t failures = 0;
    std::uint64_t wrong = 0;
    auto total = from.requests.size();
    for (auto i = next++; i < total; i = next++) {
      auto id = from.requests[i];
      auto size = from.sizes.empty() ? opts.value_size : from.sizes[id];
      auto start = clock_type::now();
      auto done = session.request(from.keys[id], size, source);
      auto took = clock_type::now() - start;
      if (!done)
        return stop(done.error());
      auto ns
        = static_cast<std::uint64_t>(std::chrono::nanoseconds(took).count());
      latencies.add(ns + (done->loaded ? source.uncounted_ns() : 0));
      failures += done->failed;
      wrong += done->wrong;
      shown.advance();
    }
    std::lock_guard lock{mutex};
    report.latencies.merge(latencies);
    report.failures += failures;
    report.wrong_values += wrong;
  }

  void stop(const failure& x) {
    next = from.requests.size();
    std::lock_guard lock{mutex};
    why = x;
  }
};

expected<replay_target_ptr> make_target(const replay_options& opts) {
  if (opts.in_process)
    return local_target(opts.config_file, opts.settings, opts.tenant,
                        opts.ttl_ms);
  auto node = parse_endpoint(opts.node);
  if (!node)
    return failure{errc::invalid_argument,
                   "--node: expected HOST:PORT, got " + opts.node};
  auto url = opts.http_url.empty() ? "http://" + node->host : opts.http_url;
  return remote_target(*node, url, opts.tenant, opts.ttl_ms);
}

/// The origin's latency costs its time for each key at least once per thread.
bool choose_virtual_time(const replay_options& opts, const trace& x) {
  if (opts.virtual_time || opts.real_time)
    return opts.virtual_time;
  auto least = opts.origin_latency
               * static_cast<std::int64_t>(x.keys.size() / opts.threads);
  return least > longest_wait;
}

expected<void> measure(const replay_options& opts, const trace& from,
                       replay_target& target, replay_report& report) {
  std::vector<std::unique_ptr<replay_session>> sessions;
  for (std::size_t i = 0; i < opts.threads; ++i) {
    auto x = target.open();
    if (!x)
      return x.error();
    sessions.push_back(*std::move(x));
  }
  auto before = target.stats();
  origin source{opts.origin_latency, !report.virtual_time};
  failure why;
  {
    progress shown{"replaying " + report.trace, from.requests.size(),
                   opts.quiet || opts.json};
    run all{opts, from, source, shown, report};
    auto start = clock_type::now();
    std::vector<std::thread> threads;
    for (auto& session : sessions)
      threads.emplace_back([&all, &session] { all.work(*session); });
    for (auto& x : threads)
      x.join();
    report.elapsed_s
      = std::chrono::duration<double>(clock_type::now() - start).count();
    why = all.why;
  }
  if (why)
    return why;
  report.origin_calls = source.calls();
  auto after = target.stats();
  if (before && after)
    report.figures = difference(*before, *after);
  else
    report.no_figures = to_string(before ? after.error() : before.error());
  return {};
}

} // namespace

int replay(const replay_options& opts) {
  auto from = read_trace(opts.trace, opts.limit);
  if (!from)
    return fail(from.error());
  auto target = make_target(opts);
  if (!target)
    return fail(target.error());
  if (opts.clear)
    if (auto x = (*target)->clear(); !x)
      return fail(x.error());
  auto held = (*target)->size();
  if (!held)
    return fail(held.error());
  replay_report report;
  report.trace = std::filesystem::path{opts.trace}.filename();
  report.target = (*target)->describe();
  report.requests = from->requests.size();
  report.keys = from->keys.size();
  report.keys_before = *held;
  report.threads = opts.threads;
  report.origin_latency_ns = static_cast<double>(opts.origin_latency.count());
  report.virtual_time = choose_virtual_time(opts, *from);
  if (auto x = measure(opts, *from, **target, report); !x)
    return fail(x.error());
  std::cout << (opts.json ? to_json(report) : to_text(report));
  return report.wrong_values == 0 ? 0 : 1;
}

} // namespace terrace::bench
