/// TCP sockets of the loopback interface.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>

namespace terrace::test {

inline sockaddr_in loopback_address(std::uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  result.sin_port = htons(port);
  return result;
}

/// Returns a socket that listens on a free port; the caller closes it. `flags`:
/// further ones of `socket`. Throws `std::runtime_error`.
inline int listen_on_loopback(int flags = 0) {
  auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  auto address = loopback_address(0);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0
      || ::listen(fd, 64) != 0) {
    ::close(fd);
    throw std::runtime_error{"cannot listen on the loopback interface"};
  }
  return fd;
}

/// The port that `fd` listens on. Throws `std::runtime_error`.
inline std::uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error{"a socket without a port"};
  return ntohs(address.sin_port);
}

/// Returns a connection, which the caller closes, or -1 and sets `errno`.
inline int connect_to_loopback(std::uint16_t port) {
  auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback_address(port);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address))
      == 0)
    return fd;
  auto why = errno;
  ::close(fd);
  errno = why;
  return -1;
}

} // namespace terrace::test
