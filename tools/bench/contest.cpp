#include "tools/bench/contest.hpp"

#include "tools/bench/contestants.hpp"
#include "tools/bench/local_node.hpp"
#include "tools/bench/origin.hpp"
#include "tools/bench/request_orders.hpp"

#include <algorithm>
#include <iostream>
#include <latch>
#include <numeric>
#include <thread>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

/// Requests between two looks at the clock.
constexpr std::size_t stride = 1024;

struct arena {
  const l1_options& opts;
  const key_set& keys;
  const request_orders& orders;
  std::string value;
};

/// What is measured besides the figures of the table.
struct entrant {
  contest_row row;
  bool handle = false;
  contestant_ptr cache;
};

struct round_result {
  request_tally all;
  double mops = 0; ///< of all threads together
};

/// What one thread does in one round: requests from `at` on, in a circle.
round_result work(contestant& cache, const arena& x, std::size_t thread,
                  std::size_t at) {
  round_result result;
  auto order = x.orders.of_thread(thread);
  auto start = clock_type::now();
  auto end = start + std::chrono::duration<double>(x.opts.seconds);
  auto now = start;
  for (; now < end; now = clock_type::now()) {
    result.all += cache.run({x.keys, order.subspan(at, stride), x.value});
    at = (at + stride) % request_orders::length;
  }
  result.mops
    = static_cast<double>(result.all.requests)
      / std::chrono::duration<double, std::micro>(now - start).count();
  return result;
}

round_result run_round(contestant& cache, const arena& x, std::size_t threads,
                       std::size_t at) {
  std::vector<round_result> results(threads);
  std::latch start{static_cast<std::ptrdiff_t>(threads)};
  std::vector<std::thread> running;
  for (std::size_t i = 0; i < threads; ++i)
    running.emplace_back([&, i] {
      start.arrive_and_wait();
      results[i] = work(cache, x, i, at);
    });
  for (auto& thread : running)
    thread.join();
  round_result result;
  for (auto& one : results) {
    result.all += one.all;
    result.mops += one.mops;
  }
  return result;
}

/// Writes every key. Some are written twice: a cache that keeps the first value
/// gives wrong ones later.
void fill(contestant& cache, const arena& x) {
  std::vector<std::uint32_t> all(x.keys.size());
  std::iota(all.begin(), all.end(), request_batch::write_bit);
  std::string other(x.value.size(), '-');
  cache.run(
    {x.keys, std::span{all}.first(std::min(stride, all.size())), other});
  cache.run({x.keys, all, x.value});
}

/// Makes requests until the policy knows the keys, then returns the outcomes of
/// as many more: the same ones for all, unlike those of a round, in which fast
/// caches get further.
request_tally sample(contestant& cache, const arena& x) {
  auto order = x.orders.of_thread(0);
  auto n = std::min(2 * x.keys.size(), request_orders::length / 2);
  cache.run({x.keys, order.first(n), x.value});
  return cache.run({x.keys, order.subspan(n, n), x.value});
}

bool chosen(const l1_options& opts, const std::string& name) {
  auto& xs = opts.contestants;
  return xs.empty() || std::find(xs.begin(), xs.end(), name) != xs.end();
}

/// All rounds of all contestants, which take turns.
void run_rounds(std::vector<entrant>& entrants, const arena& x,
                contest_result& result) {
  auto all_rounds = x.opts.threads.size() * x.opts.rounds;
  for (std::size_t t = 0; t < x.opts.threads.size(); ++t) {
    for (std::size_t round = 0; round < x.opts.rounds; ++round) {
      // Every round begins elsewhere: nothing is asked for in the same order
      // again.
      auto at = request_orders::length / all_rounds
                * (t * x.opts.rounds + round) / stride * stride;
      for (std::size_t i = 0; i < entrants.size(); ++i) {
        auto& who = entrants[(i + round) % entrants.size()];
        if (!who.cache)
          continue;
        auto one = run_round(*who.cache, x, x.opts.threads[t], at);
        who.row.cells[t].rounds.push_back(one.mops);
        who.row.all += one.all;
        if (who.handle)
          result.handle_requests += one.all.requests;
      }
    }
    for (auto& who : entrants)
      std::sort(who.row.cells[t].rounds.begin(), who.row.cells[t].rounds.end());
  }
}

std::vector<entrant> make_entrants(const l1_options& opts,
                                   const contestant_setup& setup) {
  std::vector<entrant> result;
  for (auto& known : contestants()) {
    if (!chosen(opts, known.name))
      continue;
    entrant x;
    x.row.name = known.name;
    x.row.own = known.own;
    x.row.built = known.make != nullptr;
    x.row.cells.resize(opts.threads.size());
    x.handle = known.handle;
    if (known.make)
      x.cache = known.make(setup);
    result.push_back(std::move(x));
  }
  return result;
}

/// A node whose L1 holds `capacity` entries.
expected<local_node> start_node(const l1_options& opts, std::size_t capacity) {
  auto settings = opts.settings;
  settings.insert(settings.begin(),
                  {"disk.enabled=false", "memory.max_size=1TiB",
                   "memory.max_entries=" + std::to_string(capacity)});
  return start_local_node(opts.config_file, settings);
}

/// Entries there is room for. Where nothing must be evicted, shards that get
/// more than their part need some to spare.
std::size_t capacity_of(const request_mix& mix, const l1_options& opts) {
  if (!mix.evicts)
    return opts.keys + opts.keys / 4 + 4096;
  auto result = opts.capacity_share * static_cast<double>(opts.keys);
  return std::max<std::size_t>(static_cast<std::size_t>(result), 1);
}

expected<contest_result> run_mix(const request_mix& mix, const arena& x) {
  contest_result result;
  result.mix = mix;
  result.capacity = capacity_of(mix, x.opts);
  contestant_setup setup{result.capacity, x.opts.shards, x.opts.policy,
                         nullptr};
  std::optional<local_node> node;
  std::optional<cache> handle;
  if (chosen(x.opts, "handle")) {
    auto started = start_node(x.opts, result.capacity);
    if (!started)
      return started.error();
    node.emplace(*std::move(started));
    handle.emplace(node->running->cache());
    setup.handle = &*handle;
  }
  auto entrants = make_entrants(x.opts, setup);
  for (auto& who : entrants)
    if (who.cache) {
      fill(*who.cache, x);
      who.row.sampled = sample(*who.cache, x);
    }
  auto messages = [&]() -> expected<std::uint64_t> {
    return node ? node->messages() : expected<std::uint64_t>{0};
  };
  auto before = messages();
  if (!before)
    return before.error();
  run_rounds(entrants, x, result);
  auto after = messages();
  if (!after)
    return after.error();
  result.messages_sent = *after - *before;
  for (auto& who : entrants) {
    if (who.cache)
      who.row.note = who.cache->note();
    result.rows.push_back(std::move(who.row));
  }
  return result;
}

} // namespace

std::vector<double> contest_result::ratios() const {
  auto engine = std::find_if(rows.begin(), rows.end(),
                             [](auto& x) { return x.name == "engine"; });
  std::vector<double> result;
  for (std::size_t t = 0; engine != rows.end() && t < engine->cells.size();
       ++t) {
    double best = 0;
    for (auto& row : rows)
      if (row.built && !row.own)
        best = std::max(best, row.cells[t].median());
    if (best > 0)
      result.push_back(engine->cells[t].median() / best);
  }
  return result;
}

int contest(const l1_options& opts) {
  key_set keys{opts.keys, opts.kind};
  request_orders orders{opts.keys, opts.skew,
                        *std::max_element(opts.threads.begin(),
                                          opts.threads.end())};
  arena x{opts, keys, orders, origin::value_of("value", opts.value_size)};
  std::vector<contest_result> results;
  std::uint64_t wrong = 0;
  for (auto& mix : opts.mixes) {
    orders.mix(mix);
    auto result = run_mix(mix, x);
    if (!result) {
      std::cerr << "terrace-bench: " << to_string(result.error()) << '\n';
      return 1;
    }
    for (auto& row : result->rows)
      wrong += row.all.wrong;
    results.push_back(*std::move(result));
  }
  print(opts, results);
  if (wrong > 0)
    std::cerr << "terrace-bench: " << wrong << " values were wrong\n";
  return wrong == 0 ? 0 : 1;
}

} // namespace terrace::bench
