#include "tools/bench/net.hpp"

#include "tools/bench/net_connection.hpp"
#include "tools/bench/origin.hpp"
#include "tools/bench/progress.hpp"
#include "tools/bench/samples.hpp"
#include "tools/bench/zipf.hpp"
#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

#include <poll.h>

#include <functional>
#include <iostream>
#include <random>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

struct outcome {
  net_connection::answers answers;
  samples latencies; ///< one per pipeline
  std::uint64_t commands = 0;
  double elapsed_s = 0;
};

/// Drives `xs` until `next` has nothing more to send on any of them.
expected<void> drive(std::vector<net_connection>& xs,
                     const std::function<bool(net_connection&)>& next,
                     outcome& out) {
  auto begin = clock_type::now();
  std::vector<pollfd> fds(xs.size());
  std::size_t active = 0;
  auto launch = [&](std::size_t i) -> expected<void> {
    if (!next(xs[i])) {
      fds[i].fd = -1;
      return {};
    }
    ++active;
    out.commands += xs[i].open_answers();
    return xs[i].start();
  };
  for (std::size_t i = 0; i < xs.size(); ++i) {
    fds[i].fd = xs[i].fd();
    if (auto x = launch(i); !x)
      return x;
  }
  while (active > 0) {
    for (std::size_t i = 0; i < xs.size(); ++i)
      fds[i].events = static_cast<short>(xs[i].sending() ? POLLIN | POLLOUT
                                                         : POLLIN);
    ::poll(fds.data(), fds.size(), -1);
    for (std::size_t i = 0; i < xs.size(); ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0)
        continue;
      auto readable = (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
      if (auto x = xs[i].go_on(readable, out.answers); !x)
        return x;
      if (xs[i].open_answers() > 0)
        continue;
      auto took = clock_type::now() - xs[i].started();
      out.latencies.add(
        static_cast<std::uint64_t>(std::chrono::nanoseconds(took).count()));
      --active;
      if (auto x = launch(i); !x)
        return x;
    }
  }
  out.elapsed_s
    = std::chrono::duration<double>(clock_type::now() - begin).count();
  return {};
}

std::string key_of(std::size_t i) {
  return "key:" + std::to_string(i);
}

expected<void> fill(std::vector<net_connection>& xs, const net_options& opts) {
  constexpr std::size_t batch = 64;
  progress shown{"filling", opts.keys, opts.quiet || opts.json};
  std::size_t at = 0;
  outcome ignored;
  auto result = drive(
    xs,
    [&](net_connection& x) {
      auto end = std::min(at + batch, opts.keys);
      shown.advance(end - at);
      for (; at < end; ++at)
        x.add_set(key_of(at), origin::value_of(key_of(at), opts.value_size));
      return x.open_answers() > 0;
    },
    ignored);
  if (result && ignored.answers.errors > 0)
    return failure{errc::protocol_violation, count_text(ignored.answers.errors)
                                               + " keys could not be written"};
  return result;
}

expected<outcome> load(std::vector<net_connection>& xs,
                       const net_options& opts) {
  zipf popularity{opts.keys, opts.skew};
  std::mt19937_64 random{1};
  std::bernoulli_distribution reads{opts.read_ratio};
  progress shown{"requests", opts.requests, opts.quiet || opts.json};
  auto end = clock_type::now() + std::chrono::duration<double>(opts.seconds);
  std::uint64_t sent = 0;
  outcome result;
  auto x = drive(
    xs,
    [&](net_connection& to) {
      if (opts.requests == 0 ? clock_type::now() >= end : sent >= opts.requests)
        return false;
      for (std::size_t i = 0; i < opts.pipeline; ++i) {
        auto key = key_of(popularity(random));
        if (reads(random))
          to.add_get(key);
        else
          to.add_set(key, origin::value_of(key, opts.value_size));
      }
      sent += opts.pipeline;
      shown.advance(opts.pipeline);
      return true;
    },
    result);
  if (!x)
    return x.error();
  return result;
}

void print(const net_options& opts, outcome& x) {
  auto per_second = static_cast<double>(x.commands) / x.elapsed_s;
  auto& l = x.latencies;
  if (opts.json) {
    auto ms = [](double ns) { return ns / 1e6; };
    nlohmann::ordered_json out{{"node", opts.node},
                               {"clients", opts.clients},
                               {"pipeline", opts.pipeline},
                               {"read_ratio", opts.read_ratio},
                               {"value_size", opts.value_size},
                               {"commands", x.commands},
                               {"commands_per_s", per_second},
                               {"latency_ms",
                                {{"mean", ms(l.mean())},
                                 {"p50", ms(l.quantile(0.5))},
                                 {"p95", ms(l.quantile(0.95))},
                                 {"p99", ms(l.quantile(0.99))}}},
                               {"hits", x.answers.hits},
                               {"misses", x.answers.misses},
                               {"errors", x.answers.errors}};
    std::cout << out.dump(2) << '\n';
    return;
  }
  std::cout << opts.node << ", " << opts.clients << " clients, pipeline "
            << opts.pipeline << ", " << bytes_text(opts.value_size)
            << " values, reads " << percent_text(opts.read_ratio) << '\n'
            << count_text(static_cast<std::uint64_t>(per_second))
            << " commands/s\n"
            << "latency mean " << duration_text(l.mean()) << ", p50 "
            << duration_text(l.quantile(0.5)) << ", p95 "
            << duration_text(l.quantile(0.95)) << ", p99 "
            << duration_text(l.quantile(0.99)) << '\n'
            << "hits " << count_text(x.answers.hits) << ", misses "
            << count_text(x.answers.misses) << ", errors "
            << count_text(x.answers.errors) << '\n';
}

int fail(const failure& why) {
  std::cerr << "terrace-bench: " << to_string(why) << '\n';
  return 1;
}

} // namespace

int net(const net_options& opts) {
  auto node = parse_endpoint(opts.node);
  if (!node)
    return fail(
      {errc::invalid_argument, "--node: expected HOST:PORT, got " + opts.node});
  std::vector<net_connection> connections;
  for (std::size_t i = 0; i < opts.clients; ++i) {
    auto x = net_connection::open(*node);
    if (!x)
      return fail(x.error());
    connections.push_back(*std::move(x));
  }
  if (opts.fill)
    if (auto x = fill(connections, opts); !x)
      return fail(x.error());
  auto x = load(connections, opts);
  if (!x)
    return fail(x.error());
  print(opts, *x);
  return 0;
}

} // namespace terrace::bench
