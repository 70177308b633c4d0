#include "tools/bench/disk_policy.hpp"

#include "tiers/policies/frequency_sketch.hpp"
#include "tiers/policies/ghost_table.hpp"
#include "tools/bench/cache_size.hpp"
#include "tools/bench/simulated_cache.hpp"
#include "tools/common/text_table.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace terrace::bench {

namespace {

constexpr const char* disk_policies[] = {"fifo",    "fifo-1", "fifo-2",
                                         "s3-fifo", "sieve",  "lru"};

constexpr const char* admissions[] = {"all", "reuse", "full-reuse", "tinylfu"};

struct outcome {
  double hits = 0;   ///< per request, of both tiers
  double writes = 0; ///< per request
};

/// The disk tier: who comes in is decided here.
class simulated_disk {
public:
  simulated_disk(const trace& x, std::string_view policy,
                 std::string_view admission, std::uint64_t capacity)
    : cache_(x, policy, capacity),
      by_reuse_(admission == "reuse" || admission == "full-reuse"),
      filling_(admission == "full-reuse"),
      by_frequency_(admission == "tinylfu"),
      entries_(entries_of(x, capacity)) {
    if (by_frequency_)
      sketch_.reserve(entries_);
  }

  bool request(std::uint32_t key) {
    if (by_frequency_)
      sketch_.increment(cache_.hash(key));
    return cache_.request(key);
  }

  /// Takes what was loaded, or not.
  void offer(std::uint32_t key) {
    if (admits(key) && cache_.insert(key))
      ++writes_;
  }

  std::uint64_t writes() const noexcept {
    return writes_;
  }

private:
  /// Entries that a cache of this capacity holds, about.
  static std::uint64_t entries_of(const trace& x, std::uint64_t capacity) {
    auto all = std::max<std::uint64_t>(total_size(x), 1);
    return std::max<std::uint64_t>(capacity * x.keys.size() / all, 1);
  }

  bool admits(std::uint32_t key) {
    auto hash = cache_.hash(key);
    filling_ = filling_ && cache_.has_room(key);
    if (filling_)
      return true;
    if (by_reuse_) {
      if (ghosts_.erase(hash, entries_))
        return true;
      ghosts_.insert(hash, entries_);
      return false;
    }
    if (!by_frequency_)
      return true;
    while (!cache_.has_room(key)) {
      auto victim = cache_.evict();
      if (sketch_.frequency(hash) <= sketch_.frequency(cache_.hash(victim))) {
        cache_.insert(victim);
        return false;
      }
    }
    return true;
  }

  simulated_cache cache_;
  bool by_reuse_;
  bool filling_; ///< all are admitted until the disk is full
  bool by_frequency_;
  std::uint64_t entries_;
  ghost_table ghosts_;
  frequency_sketch sketch_;
  std::uint64_t writes_ = 0;
};

outcome run(const trace& x, const disk_policy_options& opts,
            std::string_view policy, std::string_view admission,
            std::uint64_t capacity) {
  auto l1_size = static_cast<double>(capacity) * opts.l1_share;
  simulated_cache l1{
    x, opts.l1_policy,
    std::max<std::uint64_t>(static_cast<std::uint64_t>(l1_size), 1)};
  simulated_disk disk{x, policy, admission, capacity};
  std::uint64_t hits = 0;
  for (auto key : x.requests) {
    if (l1.request(key)) {
      ++hits;
      continue;
    }
    if (disk.request(key))
      ++hits;
    else
      disk.offer(key);
    l1.insert(key);
  }
  auto n = static_cast<double>(std::max<std::size_t>(x.requests.size(), 1));
  return {static_cast<double>(hits) / n,
          static_cast<double>(disk.writes()) / n};
}

std::string four_decimals(double x) {
  char buf[32];
  std::snprintf(buf, sizeof(buf), "%.4f", x);
  return buf;
}

int fail(const std::string& why) {
  std::cerr << "terrace-bench: " << why << '\n';
  return 1;
}

/// All policies on one trace, one line each.
nlohmann::ordered_json run_all(const trace& x, const disk_policy_options& opts,
                               const std::vector<std::uint64_t>& capacities,
                               text_table& table) {
  auto rows = nlohmann::ordered_json::array();
  for (auto* policy : disk_policies)
    for (auto* admission : admissions) {
      std::vector<std::string> line{std::string{policy} + ", " + admission};
      for (auto capacity : capacities) {
        auto y = run(x, opts, policy, admission, capacity);
        line.push_back(four_decimals(y.hits));
        line.push_back(four_decimals(y.writes));
        rows.push_back({{"policy", policy},
                        {"admission", admission},
                        {"capacity", capacity},
                        {"hit_ratio", y.hits},
                        {"writes_per_request", y.writes}});
      }
      table.add(std::move(line));
    }
  return rows;
}

} // namespace

int disk_policy(const disk_policy_options& opts) {
  if (std::find(std::begin(policy_names), std::end(policy_names),
                opts.l1_policy)
      == std::end(policy_names))
    return fail("no policy is called " + opts.l1_policy);
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (auto& path : opts.traces) {
    auto x = read_trace(path, opts.limit);
    if (!x)
      return fail(to_string(x.error()));
    std::vector<std::uint64_t> capacities;
    std::vector<std::string> head{"disk"};
    for (auto& label : opts.sizes) {
      auto capacity = read_cache_size(label, total_size(*x));
      if (!capacity || *capacity == 0)
        return fail("expected a size as 1% or 5000, got " + label);
      capacities.push_back(*capacity);
      head.push_back("hits at " + label);
      head.emplace_back("writes");
    }
    text_table table{head};
    auto rows = run_all(*x, opts, capacities, table);
    if (!opts.json)
      std::cout << path << ": " << count_text(x->requests.size())
                << " requests, " << count_text(x->keys.size())
                << " keys; per request, L1 " << opts.l1_policy << '\n'
                << table.str() << '\n'
                << std::flush;
    out.push_back({{"trace", path},
                   {"requests", x->requests.size()},
                   {"keys", x->keys.size()},
                   {"results", std::move(rows)}});
  }
  if (opts.json)
    std::cout << out.dump(2) << '\n';
  return 0;
}

} // namespace terrace::bench
