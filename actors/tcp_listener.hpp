/// A listening TCP socket.
#pragma once

#include "messages/expected.hpp"

#include <cstdint>
#include <string>

namespace terrace {

/// Owns the descriptor. For one thread.
class tcp_listener {
public:
  /// Listens on `bind`, an IPv4 address or "localhost". Port 0 takes a free
  /// one. Unlike what libraries do by default, a port that another process
  /// listens on is an error, `in_use`. Other failures: `io_failure`,
  /// `invalid_argument`.
  static expected<tcp_listener> open(const std::string& bind,
                                     std::uint16_t port);

  tcp_listener(tcp_listener&& x) noexcept;

  tcp_listener& operator=(tcp_listener&&) = delete;

  ~tcp_listener();

  /// The descriptor, readable when a connection waits.
  int fd() const noexcept {
    return fd_;
  }

  std::uint16_t port() const noexcept {
    return port_;
  }

  /// The next connection, or -1 if none waits. Sets `exhausted` when one waits
  /// but the process has no descriptor for it: polling again at once would
  /// spin.
  int accept(bool& exhausted) const noexcept;

private:
  tcp_listener(int fd, std::uint16_t port) noexcept : fd_(fd), port_(port) {
    // nop
  }

  int fd_;
  std::uint16_t port_;
};

} // namespace terrace
