#include "tools/bench/disk_report.hpp"

#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace terrace::bench {

namespace {

struct quantile {
  const char* name;
  double share;
};

constexpr quantile quantiles[]
  = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

std::string two_decimals(double x) {
  char buf[32];
  std::snprintf(buf, sizeof(buf), "%.2f", x);
  return buf;
}

double least(const disk_row& x) {
  return *std::min_element(x.rounds.begin(), x.rounds.end());
}

double most(const disk_row& x) {
  return *std::max_element(x.rounds.begin(), x.rounds.end());
}

void print_table(disk_table& x) {
  std::vector<std::string> head{x.task, "keys/s, median", "min..max"};
  for (auto& q : quantiles)
    head.emplace_back(q.name);
  text_table table{head};
  auto text = [](double y) {
    return count_text(static_cast<std::uint64_t>(y));
  };
  for (auto& row : x.rows) {
    std::vector<std::string> line{row.who, text(row.median()),
                                  text(least(row)) + ".." + text(most(row))};
    for (auto& q : quantiles)
      line.push_back(duration_text(row.latency.quantile(q.share)));
    table.add(std::move(line));
  }
  std::cout << '\n' << table.str() << "latency of " << x.call << '\n';
}

void print_bars(const std::vector<disk_bar>& xs) {
  text_table table{{"ratio of medians", "", "is", "at least", ""}};
  for (auto& x : xs)
    table.add({x.task, x.what, two_decimals(x.ratio),
               x.least > 0 ? two_decimals(x.least) : "-",
               x.met() ? "" : "missed"});
  std::cout << '\n' << table.str();
}

nlohmann::ordered_json to_json(disk_table& x) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (auto& row : x.rows) {
    nlohmann::ordered_json latency;
    for (auto& q : quantiles)
      latency[q.name] = row.latency.quantile(q.share);
    rows.push_back({{"who", row.who},
                    {"keys_per_s", row.median()},
                    {"min", least(row)},
                    {"max", most(row)},
                    {"latency_ns", std::move(latency)}});
  }
  return {{"task", x.task}, {"latency_of", x.call}, {"rows", std::move(rows)}};
}

} // namespace

double disk_row::median() const {
  auto sorted = rounds;
  std::sort(sorted.begin(), sorted.end());
  return sorted[sorted.size() / 2];
}

disk_row& disk_table::row(const std::string& who) {
  for (auto& x : rows)
    if (x.who == who)
      return x;
  rows.push_back({who, {}, {}});
  return rows.back();
}

const disk_row* disk_table::find(const std::string& who) const {
  for (auto& x : rows)
    if (x.who == who)
      return &x;
  return nullptr;
}

void disk_report::compare(const disk_table& in, const std::string& one,
                          const std::string& other, double least) {
  auto a = in.find(one);
  auto b = in.find(other);
  if (a && b)
    bars.push_back(
      {in.task, one + " / " + other, a->median() / b->median(), least});
}

bool disk_report::good() const {
  return std::all_of(bars.begin(), bars.end(), [](auto& x) { return x.met(); });
}

void print(const disk_bench_options& opts, disk_report& x) {
  auto content = opts.content == disk_content::json ? "json" : "noise";
  if (opts.json) {
    nlohmann::ordered_json out{
      {"entries", opts.entries}, {"value_size", opts.value_size},
      {"content", content},      {"compress", opts.compress},
      {"seconds", opts.seconds}, {"rounds", opts.rounds},
      {"writes", opts.writes},   {"group", opts.group},
      {"callers", opts.callers}};
    for (auto& table : x.tables)
      out["tasks"].push_back(to_json(table));
    for (auto& bar : x.bars)
      out["ratios"].push_back({{"task", bar.task},
                               {"of", bar.what},
                               {"ratio", bar.ratio},
                               {"least", bar.least},
                               {"met", bar.met()}});
    std::cout << out.dump(2) << '\n';
    return;
  }
  std::cout << count_text(opts.entries) << " entries, "
            << bytes_text(opts.value_size) << " values (" << content << "), "
            << opts.rounds << " rounds; turns of "
            << duration_text(opts.seconds * 1e9) << " reading, of "
            << count_text(opts.writes) << " writes\n";
  for (auto& table : x.tables)
    print_table(table);
  print_bars(x.bars);
}

} // namespace terrace::bench
