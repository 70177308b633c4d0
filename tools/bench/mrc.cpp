#include "tools/bench/mrc.hpp"

#include "tiers/miss_ratio_curve.hpp"
#include "tools/bench/trace.hpp"
#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <iomanip>
#include <iostream>
#include <sstream>

namespace terrace::bench {

namespace {

/// One line of the result.
struct point {
  double share = 0; ///< of all bytes
  std::uint64_t capacity = 0;
  double predicted = 0;
  double exact = 0;

  double difference() const {
    return std::abs(predicted - exact);
  }
};

struct outcome {
  std::vector<point> points;
  std::uint64_t bytes = 0; ///< of all keys
  std::size_t samples = 0;
  double rate = 0;
  double ns_per_access = 0;

  double largest_difference() const {
    double result = 0;
    for (auto& x : points)
      result = std::max(result, x.difference());
    return result;
  }
};

std::uint32_t size_of(const trace& x, std::uint32_t key) {
  return x.sizes.empty() ? 1 : x.sizes[key];
}

/// Distinct bytes since the last access of the same key and its own, for every
/// request but the first of each key.
std::vector<std::uint64_t> distances(const trace& from) {
  std::vector<std::uint64_t> result;
  std::vector<std::size_t> last(from.keys.size(), SIZE_MAX);
  prefix_sums bytes{from.requests.size()};
  for (std::size_t i = 0; i < from.requests.size(); ++i) {
    auto key = from.requests[i];
    std::uint64_t size = size_of(from, key);
    if (auto at = last[key]; at != SIZE_MAX) {
      result.push_back(bytes.total() - bytes.before(at));
      bytes.add(at, -size);
    }
    bytes.add(i, size);
    last[key] = i;
  }
  return result;
}

/// Plays the whole trace to the estimate.
miss_ratio_curve estimate(const trace& from, const mrc_options& opts,
                          double& ns_per_access) {
  std::vector<std::uint64_t> hashes;
  for (auto& key : from.keys)
    hashes.push_back(std::hash<std::string>{}(key));
  miss_ratio_curve result{{opts.samples, opts.window}};
  auto start = std::chrono::steady_clock::now();
  for (auto key : from.requests)
    result.accessed(hashes[key], size_of(from, key));
  std::chrono::duration<double, std::nano> spent
    = std::chrono::steady_clock::now() - start;
  ns_per_access = spent.count() / static_cast<double>(from.requests.size());
  return result;
}

outcome compare(const trace& from, const mrc_options& opts) {
  outcome result;
  for (std::uint32_t key = 0; key < from.keys.size(); ++key)
    result.bytes += size_of(from, key);
  auto curve = estimate(from, opts, result.ns_per_access);
  result.samples = curve.samples();
  result.rate = curve.rate();
  auto exact = distances(from);
  std::sort(exact.begin(), exact.end());
  for (auto share : opts.sizes) {
    point x{share};
    x.capacity = static_cast<std::uint64_t>(
      std::max(1.0, std::round(share * static_cast<double>(result.bytes))));
    auto hits = std::upper_bound(exact.begin(), exact.end(), x.capacity)
                - exact.begin();
    x.exact = 1
              - static_cast<double>(hits)
                  / static_cast<double>(from.requests.size());
    x.predicted = curve.miss_ratio(x.capacity);
    result.points.push_back(x);
  }
  return result;
}

std::string ratio_text(double x) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(4) << x;
  return out.str();
}

void print(const trace& from, const mrc_options& opts, const outcome& x) {
  if (opts.json) {
    nlohmann::ordered_json out{{"trace", opts.trace},
                               {"requests", from.requests.size()},
                               {"keys", from.keys.size()},
                               {"bytes", x.bytes},
                               {"samples", x.samples},
                               {"rate", x.rate},
                               {"ns_per_access", x.ns_per_access},
                               {"largest_difference", x.largest_difference()}};
    for (auto& p : x.points)
      out["sizes"].push_back({{"share", p.share},
                              {"capacity", p.capacity},
                              {"predicted", p.predicted},
                              {"exact", p.exact},
                              {"difference", p.difference()}});
    std::cout << out.dump(2) << '\n';
    return;
  }
  std::cout << opts.trace << ": " << count_text(from.requests.size())
            << " requests, " << count_text(from.keys.size()) << " keys, "
            << count_text(x.bytes) << (from.sizes.empty() ? " (1 each)" : " B")
            << '\n'
            << count_text(x.samples) << " samples, " << percent_text(x.rate)
            << " of the keys, " << duration_text(x.ns_per_access)
            << " per access\n\n";
  text_table table{{"size", "capacity", "predicted", "exact", "difference"}};
  for (auto& p : x.points)
    table.add({percent_text(p.share), count_text(p.capacity),
               ratio_text(p.predicted), ratio_text(p.exact),
               ratio_text(p.difference())});
  std::cout << table.str() << "\nlargest difference "
            << ratio_text(x.largest_difference()) << '\n';
}

} // namespace

int mrc(const mrc_options& opts) {
  auto from = read_trace(opts.trace, opts.limit);
  if (!from) {
    std::cerr << "terrace-bench: " << to_string(from.error()) << '\n';
    return 1;
  }
  print(*from, opts, compare(*from, opts));
  return 0;
}

} // namespace terrace::bench
