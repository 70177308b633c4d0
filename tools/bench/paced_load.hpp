/// Requests at a fixed rate, whatever the node makes of it.
#pragma once

#include "messages/expected.hpp"
#include "tools/bench/net_connection.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace terrace::bench {

/// What became of the requests.
struct paced_outcome {
  struct request {
    /// From the start of the load to the moment it was due, nanoseconds.
    std::uint64_t due_ns;
    std::uint64_t took_ns; ///< from then to its answer
  };

  std::vector<request> requests;
  net_connection::answers answers;
};

struct paced_options {
  std::uint16_t port = 0; ///< on the loopback interface
  std::size_t connections = 8;
  double rate = 20'000; ///< requests per second
  std::chrono::nanoseconds length{0};
};

/// Sends GETs for the keys that `next` gives. A request is due at its moment;
/// whichever connection is idle takes what is due. Time counts from when a
/// request was due, so that one that had to wait is not left out. One thread,
/// which polls. Fails with `unavailable` if the connection is lost.
expected<paced_outcome> run_paced(const paced_options& opts,
                                  const std::function<std::string()>& next);

} // namespace terrace::bench
