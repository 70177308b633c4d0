/// The hit ratio of a node's memory as time goes by.
#pragma once

#include "tools/common/node_client.hpp"
#include "tools/common/node_stats.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

namespace terrace::bench {

/// Hits and look-ups of memory in a piece of time.
struct hit_window {
  double end_s = 0; ///< since the start of the watch
  std::uint64_t hits = 0;
  std::uint64_t lookups = 0;
};

/// Hit ratio over the windows of [first, last); 0 without look-ups.
double ratio_of(const std::vector<hit_window>& xs, std::size_t first,
                std::size_t last);

/// End of the first of three windows in a row that have, taken together, at
/// least `ratio`; nothing if there are none.
std::optional<double> time_back(const std::vector<hit_window>& xs,
                                double ratio);

/// Reads the figures of a node every 100 ms from a thread of its own, as long
/// as it lives.
class hit_watch {
public:
  explicit hit_watch(std::uint16_t http_port);

  hit_watch(const hit_watch&) = delete;

  ~hit_watch();

  /// Ends the watch; what was seen.
  std::vector<hit_window> stop();

  /// The last figures of the node, after `stop`.
  const node_stats& last() const noexcept {
    return last_;
  }

private:
  void run(std::uint16_t http_port);

  std::atomic<bool> ending_{false};
  std::vector<hit_window> windows_;
  node_stats last_;
  std::thread thread_;
};

} // namespace terrace::bench
