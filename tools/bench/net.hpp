/// `terrace-bench net`: a node, or any Redis server, under load over RESP.
#pragma once

#include <cstdint>
#include <string>

namespace terrace::bench {

struct net_options {
  std::string node = "127.0.0.1:7379";
  std::size_t clients = 50;
  std::size_t pipeline = 1;
  std::size_t keys = 100'000;
  std::size_t value_size = 100;
  double skew = 0; ///< of the key popularity; 0: uniform
  double read_ratio = 0.9;
  double seconds = 5;
  std::uint64_t requests = 0; ///< instead of `seconds`, if not 0
  bool fill = true;           ///< writes all keys first
  bool json = false;
  bool quiet = false;
};

/// One thread drives all connections; each sends `pipeline` commands, waits for
/// all answers, and goes on. The latency of a command is that of its pipeline.
/// Prints commands per second, latencies, hits and errors. Returns the exit
/// code: 1 if the node cannot be reached or the connection is lost.
int net(const net_options& opts);

} // namespace terrace::bench
