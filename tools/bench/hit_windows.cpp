#include "tools/bench/hit_windows.hpp"

#include <algorithm>
#include <string>

namespace terrace::bench {

namespace {

constexpr std::chrono::milliseconds width{100};

/// Windows that are taken together.
constexpr std::size_t in_a_row = 3;

} // namespace

double ratio_of(const std::vector<hit_window>& xs, std::size_t first,
                std::size_t last) {
  std::uint64_t hits = 0, lookups = 0;
  for (auto i = first; i < last; ++i) {
    hits += xs[i].hits;
    lookups += xs[i].lookups;
  }
  return lookups == 0
           ? 0.0
           : static_cast<double>(hits) / static_cast<double>(lookups);
}

std::optional<double> time_back(const std::vector<hit_window>& xs,
                                double ratio) {
  for (std::size_t i = 0; i + in_a_row <= xs.size(); ++i)
    if (ratio_of(xs, i, i + in_a_row) >= ratio)
      return xs[i].end_s;
  return std::nullopt;
}

hit_watch::hit_watch(std::uint16_t http_port)
  : thread_([this, http_port] { run(http_port); }) {
  // nop
}

hit_watch::~hit_watch() {
  stop();
}

std::vector<hit_window> hit_watch::stop() {
  ending_ = true;
  if (thread_.joinable())
    thread_.join();
  return windows_;
}

void hit_watch::run(std::uint16_t http_port) {
  using clock_type = std::chrono::steady_clock;
  auto client
    = node_client::open("http://127.0.0.1:" + std::to_string(http_port));
  if (!client)
    return;
  auto start = clock_type::now();
  std::uint64_t hits = 0, lookups = 0;
  for (auto next = start + width; !ending_; next += width) {
    std::this_thread::sleep_until(next);
    auto text = client->get_ok("/api/v1/cache/stats");
    if (!text)
      continue; // a window that is longer
    auto x = parse_stats(*text);
    if (!x || x->tiers.empty() || x->tiers.front().tier != "memory")
      continue;
    auto& memory = x->tiers.front();
    auto now = std::chrono::duration<double>(clock_type::now() - start);
    windows_.push_back(
      {now.count(), memory.hits - hits, memory.lookups - lookups});
    hits = memory.hits;
    lookups = memory.lookups;
    last_ = *std::move(x);
  }
}

} // namespace terrace::bench
