/// One accepted TCP connection as a server with few threads needs it: blocking
/// reads and writes, but never past a deadline or a budget.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>

namespace terrace {

/// Owns its socket, which must not block by itself. One thread at a time,
/// except `end_input`.
class tcp_connection {
public:
  using clock = std::chrono::steady_clock;

  explicit tcp_connection(int fd) noexcept : fd_(fd) {
    // nop
  }

  tcp_connection(const tcp_connection&) = delete;

  tcp_connection& operator=(const tcp_connection&) = delete;

  ~tcp_connection();

  int fd() const noexcept {
    return fd_;
  }

  // -- limits -----------------------------------------------------------------

  /// From now on `read` gives at most `bytes`, and nothing past `deadline`; the
  /// first `write` sets a new deadline, `response_time` later.
  void start_request(clock::time_point deadline, std::size_t bytes,
                     std::chrono::milliseconds response_time) noexcept;

  std::size_t requests = 0;     ///< started so far
  clock::time_point idle_until; ///< for whoever watches it while it is silent

  // -- bytes ------------------------------------------------------------------

  /// True if bytes have been received that `read` has not given yet.
  bool has_input() const noexcept {
    return begin_ < end_;
  }

  /// Waits for input; false past the deadline.
  bool await_input() const;

  /// At least one byte, or -1: end of input, past a limit, broken.
  std::ptrdiff_t read(char* out, std::size_t size);

  /// Writes at least one byte or returns -1: past the deadline, broken.
  std::ptrdiff_t write(const char* bytes, std::size_t size);

  // -- ending -----------------------------------------------------------------

  /// Ends output and throws away some of what still comes: closing a socket
  /// with unread input would make the kernel tear the response out of the
  /// client's hands. Takes at most half a second.
  void linger() const;

  /// Makes reads end, also one that waits in another thread.
  void end_input() const noexcept;

private:
  bool fill();

  int fd_;
  std::array<char, 4096> buffer_;
  std::size_t begin_ = 0;  ///< read up to here
  std::size_t end_ = 0;    ///< filled up to here
  std::size_t budget_ = 0; ///< bytes that the request may still have
  bool responding_ = false;
  clock::time_point deadline_;
  std::chrono::milliseconds response_time_{0};
};

using tcp_connection_ptr = std::unique_ptr<tcp_connection>;

} // namespace terrace
