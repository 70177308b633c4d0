/// `terrace-bench replay`: a recorded trace through all tiers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace terrace::bench {

struct replay_options {
  std::string trace;
  bool in_process = false;
  std::string node = "127.0.0.1:7379";
  std::string http_url; ///< empty: port 7380 of the node's host
  std::string config_file;
  std::vector<std::string> settings;
  std::uint32_t tenant = 0;
  bool clear = false;
  std::chrono::nanoseconds origin_latency{5'000'000};
  bool virtual_time = false;
  bool real_time = false;
  std::size_t value_size = 100;
  std::int64_t ttl_ms = 0;
  std::uint64_t limit = 0; ///< requests; 0: all
  std::size_t threads = 1;
  bool json = false;
  bool quiet = false;
};

/// Gets every key of the trace, in order; on a miss fetches it from a simulated
/// origin and stores it. Prints what each tier did and what the cache saved.
/// Returns the exit code: 1 if it could not be done or a value was wrong.
int replay(const replay_options& opts);

} // namespace terrace::bench
