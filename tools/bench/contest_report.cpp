#include "tools/bench/contest.hpp"
#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <iostream>

namespace terrace::bench {

namespace {

std::string two_decimals(double x) {
  char buf[32];
  std::snprintf(buf, sizeof(buf), "%.2f", x);
  return buf;
}

std::string cell_text(const contest_cell& x) {
  return two_decimals(x.median()) + " (" + two_decimals(x.rounds.front()) + ".."
         + two_decimals(x.rounds.back()) + ')';
}

void print_table(const l1_options& opts, const contest_result& x) {
  std::cout << '\n'
            << (x.mix.evicts ? x.mix.str() + " read/write, a miss is written"
                             : std::string{"all hits"})
            << ", room for " << count_text(x.capacity)
            << " entries; Mops/s, median (min..max)\n";
  std::vector<std::string> head{x.mix.str()};
  for (auto n : opts.threads)
    head.push_back(std::to_string(n) + (n == 1 ? " thread" : " threads"));
  head.push_back("hit ratio");
  text_table table{head};
  for (auto& row : x.rows) {
    std::vector<std::string> line{row.name};
    for (auto& cell : row.cells)
      line.push_back(row.built ? cell_text(cell) : "not built in");
    line.push_back(row.built ? percent_text(row.hit_ratio()) : "-");
    table.add(line);
  }
  if (auto ratios = x.ratios(); !ratios.empty()) {
    std::vector<std::string> line{"engine / best peer"};
    for (auto ratio : ratios)
      line.push_back(two_decimals(ratio));
    line.emplace_back();
    table.add(line);
  }
  std::cout << table.str();
  for (auto& row : x.rows)
    if (!row.note.empty())
      std::cout << row.name << ": " << row.note << '\n';
  if (x.handle_requests > 0)
    std::cout << "messages sent by the handle: " << count_text(x.messages_sent)
              << " for " << count_text(x.handle_requests) << " requests\n";
}

nlohmann::ordered_json to_json(const l1_options& opts,
                               const contest_result& x) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (auto& row : x.rows) {
    nlohmann::ordered_json cells = nlohmann::ordered_json::array();
    for (std::size_t t = 0; row.built && t < opts.threads.size(); ++t)
      cells.push_back({{"threads", opts.threads[t]},
                       {"mops", row.cells[t].median()},
                       {"mops_min", row.cells[t].rounds.front()},
                       {"mops_max", row.cells[t].rounds.back()}});
    rows.push_back({{"contestant", row.name},
                    {"built_in", row.built},
                    {"results", std::move(cells)},
                    {"requests", row.all.requests},
                    {"hits", row.all.hits},
                    {"misses", row.all.misses},
                    {"hit_ratio", row.hit_ratio()},
                    {"note", row.note}});
  }
  return {{"mix", x.mix.str()},
          {"capacity", x.capacity},
          {"contestants", std::move(rows)},
          {"engine_to_best_peer", x.ratios()},
          {"handle_requests", x.handle_requests},
          {"messages_sent", x.messages_sent}};
}

} // namespace

void print(const l1_options& opts, const std::vector<contest_result>& xs) {
  if (opts.json) {
    nlohmann::ordered_json mixes = nlohmann::ordered_json::array();
    for (auto& x : xs)
      mixes.push_back(to_json(opts, x));
    nlohmann::ordered_json out{{"keys", opts.keys},
                               {"key_kind", opts.kind.str()},
                               {"value_size", opts.value_size},
                               {"skew", opts.skew},
                               {"seconds", opts.seconds},
                               {"rounds", opts.rounds},
                               {"engine_shards", opts.shards},
                               {"mixes", std::move(mixes)}};
    std::cout << out.dump(2) << '\n';
    return;
  }
  std::cout << count_text(opts.keys) << " keys of " << opts.kind.size()
            << " bytes, " << bytes_text(opts.value_size) << " values, zipf "
            << two_decimals(opts.skew) << ", " << opts.rounds << " rounds of "
            << duration_text(opts.seconds * 1e9) << '\n'
            << "handle: a node's in-process face, its writes wait for the "
               "answer; engine: view and stores\nalone, "
            << opts.shards
            << " shards, a mutex each for writers. An operation is a read or a "
               "write of the mix.\n"
            << "hyper-clock gets the 128-bit hash of keys that have not 16 "
               "bytes; its writes erase, then insert.\n";
  for (auto& x : xs)
    print_table(opts, x);
}

} // namespace terrace::bench
