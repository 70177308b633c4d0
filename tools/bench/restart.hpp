/// `terrace-bench restart`: how long a node is slower after a restart.
#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace terrace::bench {

struct restart_options {
  std::string program; ///< terraced; empty: the one beside this program
  std::size_t keys = 300'000;
  std::size_t value_size = 1024;      ///< bytes
  std::uint64_t memory = 64ull << 20; ///< size of L1
  double skew = 0.99;                 ///< of the keys' popularity
  double rate = 20'000;               ///< requests per second
  std::size_t connections = 8;
  double before_s = 15; ///< load before the first restart
  double after_s = 15;  ///< load after each
  std::size_t rounds = 3;
  bool json = false;
  bool quiet = false;
};

/// Starts a node with memory and disk, writes all keys, and asks for them at a
/// fixed rate. The hit ratio of memory in the second half of that is what the
/// node had before. Then in turns, with and without the warm restart, the node
/// is started again under the same load, and the hit ratio of memory is read
/// in windows of 100 ms: it is back when three of them in a row have, taken
/// together, 95 % of what it was. Prints the time until then from the moment
/// the node takes connections, medians of the rounds, and latencies until
/// then. Returns the exit code: 1 if a value was missing, if the node failed,
/// or if the hit ratio did not come back with the warm restart.
int restart(const restart_options& opts);

/// The command line of it.
CLI::App* declare(CLI::App& app, restart_options& x);

} // namespace terrace::bench
