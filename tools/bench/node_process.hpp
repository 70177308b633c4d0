/// A node in a process of its own, for measurements that end it and start it
/// again.
#pragma once

#include "messages/expected.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace terrace::bench {

/// Runs `terraced`, which logs warnings to standard error. Ends with the
/// object or the process.
class node_process {
public:
  /// Starts `program` with its data in `folder` and these settings, each
  /// "table.key=value", on free ports of the loopback interface, and waits
  /// until it takes connections. Fails with `unavailable`.
  static expected<node_process> start(const std::string& program,
                                      const std::string& folder,
                                      std::vector<std::string> settings);

  /// The `terraced` beside the program that is running.
  static std::string beside();

  node_process(node_process&& x) noexcept;

  node_process& operator=(node_process&&) = delete;

  ~node_process();

  std::uint16_t resp_port() const noexcept {
    return resp_port_;
  }

  std::uint16_t http_port() const noexcept {
    return http_port_;
  }

  /// Asks it to end and waits until it has. Fails with `io_failure` if it did
  /// not end well.
  expected<void> stop();

private:
  node_process() = default;

  std::uint16_t resp_port_ = 0;
  std::uint16_t http_port_ = 0;
  pid_t pid_ = -1;
};

} // namespace terrace::bench
