/// What a replay measured, and how it is shown.
#pragma once

#include "tools/bench/samples.hpp"
#include "tools/common/node_stats.hpp"

#include <optional>
#include <string>

namespace terrace::bench {

struct replay_report {
  std::string trace;
  std::string target;
  std::uint64_t requests = 0;
  std::uint64_t keys = 0;
  std::uint64_t keys_before = 0; ///< held by the target when it began
  std::size_t threads = 1;
  double origin_latency_ns = 0;
  bool virtual_time = false; ///< the origin's latency was added, not waited for
  std::uint64_t origin_calls = 0;
  std::uint64_t failures = 0;
  std::uint64_t wrong_values = 0;
  double elapsed_s = 0;
  samples latencies;
  std::optional<node_stats> figures; ///< of the target, during the replay
  std::string no_figures;            ///< why there are none

  /// Share of requests that did not need the origin.
  double hit_rate() const;

  /// 1 - time of all requests / time with the origin alone.
  double latency_saved() const;
};

/// Counters of `after` less those of `before`; gauges and latencies of `after`.
node_stats difference(const node_stats& before, node_stats after);

std::string to_text(replay_report& x);

std::string to_json(replay_report& x);

} // namespace terrace::bench
