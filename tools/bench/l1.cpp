#include "tools/bench/l1.hpp"

#include "tools/bench/local_node.hpp"
#include "tools/bench/origin.hpp"
#include "tools/bench/zipf.hpp"
#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <latch>
#include <thread>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

/// Draws made in advance, walked through in a circle.
constexpr std::size_t draws = 1 << 20;

/// Operations between two looks at the clock.
constexpr std::size_t stride = 1024;

struct tally {
  std::uint64_t operations = 0;
  std::uint64_t misses = 0;
  std::uint64_t wrong = 0;
  double ns = 0; ///< of all threads together
};

/// What one thread does in one round.
tally work(const cache& handle, const std::vector<std::string>& keys,
           const std::vector<std::uint32_t>& order, const l1_options& opts) {
  tally result;
  auto value = blob::copy(origin::value_of(keys[0], opts.value_size));
  auto reads_of_stride
    = static_cast<std::size_t>(opts.read_ratio * static_cast<double>(stride));
  auto start = clock_type::now();
  auto end = start + std::chrono::duration<double>(opts.seconds);
  auto now = start;
  for (std::size_t at = 0; now < end; now = clock_type::now()) {
    for (std::size_t i = 0; i < stride; ++i) {
      auto& key = keys[order[at++ & (draws - 1)]];
      if (i >= reads_of_stride) {
        (void)!handle.set(key, value);
        continue;
      }
      auto found = handle.get(key);
      if (!found || !*found)
        ++result.misses;
      else if ((*found)->size() != opts.value_size)
        ++result.wrong;
    }
    result.operations += stride;
  }
  result.ns = std::chrono::duration<double, std::nano>(now - start).count();
  return result;
}

tally run_round(const cache& handle, const std::vector<std::string>& keys,
                const std::vector<std::vector<std::uint32_t>>& orders,
                std::size_t count, const l1_options& opts) {
  std::vector<tally> tallies(count);
  std::latch start{static_cast<std::ptrdiff_t>(count)};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      tallies[i] = work(handle, keys, orders[i], opts);
    });
  for (auto& x : threads)
    x.join();
  tally result;
  for (auto& x : tallies) {
    result.operations += x.operations;
    result.misses += x.misses;
    result.wrong += x.wrong;
    result.ns += x.ns;
  }
  return result;
}

int fail(const failure& why) {
  std::cerr << "terrace-bench: " << to_string(why) << '\n';
  return 1;
}

struct outcome {
  std::size_t threads = 1;
  std::vector<double> ns_per_operation; ///< per round, sorted
  tally all;
  std::uint64_t sent = 0;

  double median() const {
    return ns_per_operation[ns_per_operation.size() / 2];
  }

  double per_second() const {
    return 1e9 / median() * static_cast<double>(threads);
  }
};

nlohmann::ordered_json to_json(const l1_options& opts, const outcome& x) {
  auto& ns = x.ns_per_operation;
  return {{"threads", x.threads},
          {"keys", opts.keys},
          {"value_size", opts.value_size},
          {"skew", opts.skew},
          {"read_ratio", opts.read_ratio},
          {"ns_per_operation", x.median()},
          {"ns_min", ns.front()},
          {"ns_max", ns.back()},
          {"operations_per_s", static_cast<std::uint64_t>(x.per_second())},
          {"operations", x.all.operations},
          {"misses", x.all.misses},
          {"messages_sent", x.sent}};
}

void print(const l1_options& opts, const outcome& x) {
  auto& ns = x.ns_per_operation;
  std::cout << "in process, " << x.threads
            << (x.threads == 1 ? " thread, " : " threads, ")
            << count_text(opts.keys) << " keys, " << bytes_text(opts.value_size)
            << " values, reads " << percent_text(opts.read_ratio) << '\n'
            << duration_text(x.median())
            << " per operation and thread (median of " << ns.size()
            << " rounds, " << duration_text(ns.front()) << " to "
            << duration_text(ns.back()) << ")\n"
            << count_text(static_cast<std::uint64_t>(x.per_second()))
            << " operations/s\n"
            << "misses: " << count_text(x.all.misses) << '\n'
            << "messages sent: " << count_text(x.sent) << " for "
            << count_text(x.all.operations) << " operations\n";
}

/// All rounds of one number of threads.
expected<outcome> measure(const local_node& node, const cache& handle,
                          const std::vector<std::string>& keys,
                          const std::vector<std::vector<std::uint32_t>>& orders,
                          std::size_t threads, const l1_options& opts) {
  auto before = node.messages();
  if (!before)
    return before.error();
  outcome x;
  x.threads = threads;
  for (std::size_t i = 0; i < opts.rounds; ++i) {
    auto round = run_round(handle, keys, orders, threads, opts);
    x.ns_per_operation.push_back(round.ns
                                 / static_cast<double>(round.operations));
    x.all.operations += round.operations;
    x.all.misses += round.misses;
    x.all.wrong += round.wrong;
  }
  std::sort(x.ns_per_operation.begin(), x.ns_per_operation.end());
  auto after = node.messages();
  if (!after)
    return after.error();
  x.sent = *after - *before;
  return x;
}

} // namespace

int l1(const l1_options& opts) {
  auto settings = opts.settings;
  settings.insert(settings.begin(), {"disk.enabled=false"});
  auto node = start_local_node(opts.config_file, settings);
  if (!node)
    return fail(node.error());
  auto handle = node->running->cache();
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < opts.keys; ++i) {
    keys.push_back("key:" + std::to_string(i));
    auto value = origin::value_of(keys.back(), opts.value_size);
    if (auto x = handle.set(keys.back(), value); !x)
      return fail(x.error());
  }
  std::vector<std::vector<std::uint32_t>> orders;
  zipf popularity{opts.keys, opts.skew};
  auto most = *std::max_element(opts.threads.begin(), opts.threads.end());
  for (std::size_t i = 0; i < most; ++i)
    orders.push_back(popularity.draw(draws, i + 1));
  std::uint64_t wrong = 0;
  nlohmann::ordered_json report = nlohmann::ordered_json::array();
  for (auto threads : opts.threads) {
    auto x = measure(*node, handle, keys, orders, threads, opts);
    if (!x)
      return fail(x.error());
    wrong += x->all.wrong;
    if (opts.json)
      report.push_back(to_json(opts, *x));
    else
      print(opts, *x);
  }
  if (opts.json)
    std::cout << (report.size() == 1 ? report.front() : report).dump(2) << '\n';
  if (wrong > 0)
    std::cerr << "terrace-bench: " << wrong << " values were wrong\n";
  return wrong == 0 ? 0 : 1;
}

} // namespace terrace::bench
