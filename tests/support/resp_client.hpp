/// A client of the RESP face that speaks it in plain text.
#pragma once

#include "tests/support/loopback.hpp"

#include <caf/test/unit_test.hpp>

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace terrace::test {

/// A blocking connection; gives up after ten seconds without an answer, or in
/// which nothing that it sends is taken.
class resp_client {
public:
  explicit resp_client(std::uint16_t port) : fd_(connect_to_loopback(port)) {
    if (fd_ < 0)
      CAF_FAIL("connect: " << std::strerror(errno));
    timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  }

  resp_client(const resp_client&) = delete;

  ~resp_client() {
    ::close(fd_);
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0)
        return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  /// Sends as much as is taken at once, which may be nothing.
  void offer(std::string_view bytes) {
    (void)::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  /// Exactly `n` bytes, or less if the connection ends.
  std::string receive(std::size_t n) {
    std::string result(n, '\0');
    std::size_t at = 0;
    while (at < n) {
      auto got = ::recv(fd_, result.data() + at, n - at, 0);
      if (got < 0)
        CAF_FAIL("no answer after " << result.substr(0, at));
      if (got == 0)
        break;
      at += static_cast<std::size_t>(got);
    }
    result.resize(at);
    return result;
  }

  /// Sends lines and expects exactly `reply`.
  void check(std::string_view lines, std::string_view reply) {
    send(lines);
    CAF_CHECK_EQUAL(receive(reply.size()), reply);
  }

  std::string bulk() {
    std::string head;
    while (!head.ends_with("\r\n"))
      head += receive(1);
    return receive(std::stoul(head.substr(1)) + 2);
  }

  /// True if the server ends the connection, perhaps with a reset.
  bool closed() {
    char byte;
    auto n = ::recv(fd_, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
  }

private:
  int fd_;
};

} // namespace terrace::test
