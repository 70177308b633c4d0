#include "tools/bench/hitratio.hpp"

#include "tiers/policies/policy.hpp"
#include "tools/bench/cache_size.hpp"
#include "tools/bench/simulation.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace terrace::bench {

namespace {

struct row {
  std::string policy;
  simulation_result result;
};

/// All measurements at one size.
struct column {
  std::string label;
  std::uint64_t capacity = 0;
  double belady = 0; ///< miss ratio
  std::vector<row> rows;

  /// The single policy with the fewest misses; null if there is none.
  const row* best() const {
    const row* result = nullptr;
    for (auto& x : rows)
      if (x.policy != "auto"
          && (!result || x.result.misses < result->result.misses))
        result = &x;
    return result;
  }

  const row* adaptive() const {
    for (auto& x : rows)
      if (x.policy == "auto")
        return &x;
    return nullptr;
  }
};

void print_head(const trace& x, const std::string& path) {
  std::printf("%s: %zu requests, %zu keys", path.c_str(), x.requests.size(),
              x.keys.size());
  std::printf(x.sizes.empty() ? "\n" : ", %.1f MiB\n",
              static_cast<double>(total_size(x)) / (1 << 20));
}

void print_table(const std::vector<column>& xs, double requests) {
  std::printf("\n%-12s", "miss ratio");
  for (auto& x : xs)
    std::printf("  %12s", (x.label + " " + std::to_string(x.capacity)).c_str());
  std::printf("\n%-12s", "belady");
  for (auto& x : xs)
    std::printf("  %11.4f ", x.belady);
  for (std::size_t i = 0; i < xs.front().rows.size(); ++i) {
    std::printf("\n%-12s", xs.front().rows[i].policy.c_str());
    for (auto& x : xs)
      std::printf("  %11.4f%c",
                  static_cast<double>(x.rows[i].result.misses) / requests,
                  x.best() == &x.rows[i] ? '*' : ' ');
  }
  std::printf("\n");
  if (!xs.front().adaptive() || !xs.front().best())
    return;
  std::printf("%-12s", "auto / best");
  for (auto& x : xs)
    std::printf("  %11.4f ", static_cast<double>(x.adaptive()->result.misses)
                               / static_cast<double>(x.best()->result.misses));
  std::printf("\n%-12s", "auto ends as");
  for (auto& x : xs)
    std::printf("  %11s ", x.adaptive()->result.current.c_str());
  std::printf("\n%-12s", "switches");
  for (auto& x : xs)
    std::printf("  %11lu ",
                static_cast<unsigned long>(x.adaptive()->result.switches));
  std::printf("\n");
}

nlohmann::json to_json(const column& x, double requests) {
  auto policies = nlohmann::json::object();
  for (auto& [name, result] : x.rows) {
    auto seconds = std::max(result.seconds, 1e-9);
    auto& out = policies[name];
    out = {{"miss_ratio", static_cast<double>(result.misses) / requests},
           {"requests_per_second", requests / seconds}};
    if (name != "auto")
      continue;
    out["current"] = result.current;
    out["switches"] = result.switches;
    for (auto& shadow : result.candidates)
      out["shadow_miss_ratios"][shadow.name] = shadow.miss_ratio;
  }
  nlohmann::json result{{"size", x.label},
                        {"capacity", x.capacity},
                        {"belady", x.belady},
                        {"policies", std::move(policies)}};
  if (auto best = x.best())
    result["best"] = best->policy;
  return result;
}

int fail(const std::string& why) {
  std::cerr << "terrace-bench: " << why << '\n';
  return 1;
}

} // namespace

int hitratio(const hitratio_options& opts) {
  auto names = opts.policies;
  if (names.empty())
    names.assign(std::begin(policy_names), std::end(policy_names));
  for (auto& name : names)
    if (std::find(std::begin(policy_names), std::end(policy_names), name)
        == std::end(policy_names))
      return fail("no policy is called " + name);
  auto x = read_trace(opts.trace, opts.limit);
  if (!x)
    return fail(to_string(x.error()));
  auto requests = static_cast<double>(x->requests.size());
  std::vector<column> columns;
  for (auto& label : opts.sizes) {
    auto capacity = read_cache_size(label, total_size(*x));
    if (!capacity || *capacity == 0)
      return fail("expected a size as 1% or 5000, got " + label);
    columns.push_back({label, *capacity, 0, {}});
  }
  for (auto& column : columns) {
    auto least = least_misses(*x, column.capacity);
    column.belady = static_cast<double>(least) / requests;
    for (auto& name : names)
      column.rows.push_back({name, simulate(*x, name, column.capacity)});
  }
  if (!opts.json) {
    print_head(*x, opts.trace);
    print_table(columns, requests);
    return 0;
  }
  nlohmann::json out{{"trace", opts.trace},
                     {"requests", x->requests.size()},
                     {"keys", x->keys.size()}};
  for (auto& column : columns)
    out["sizes"].push_back(to_json(column, requests));
  std::cout << out.dump(2) << '\n';
  return 0;
}

} // namespace terrace::bench
