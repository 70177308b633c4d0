#include "actors/tcp_listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace terrace {

namespace {

constexpr int backlog = 128;

failure system_failure(const std::string& bind, std::uint16_t port) {
  auto code = errno == EADDRINUSE ? errc::in_use : errc::io_failure;
  return {code, bind + ":" + std::to_string(port) + ": "
                  + std::generic_category().message(errno)};
}

} // namespace

expected<tcp_listener> tcp_listener::open(const std::string& bind,
                                          std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  auto text = bind == "localhost" ? "127.0.0.1" : bind.c_str();
  if (::inet_pton(AF_INET, text, &address.sin_addr) != 1)
    return failure{errc::invalid_argument, bind + " is no IPv4 address"};
  auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return system_failure(bind, port);
  tcp_listener result{fd, port};
  int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  socklen_t size = sizeof(address);
  auto raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd, raw, size) != 0 || ::listen(fd, backlog) != 0
      || ::getsockname(fd, raw, &size) != 0)
    return system_failure(bind, port);
  result.port_ = ntohs(address.sin_port);
  return result;
}

tcp_listener::tcp_listener(tcp_listener&& x) noexcept
  : fd_(std::exchange(x.fd_, -1)), port_(x.port_) {
  // nop
}

tcp_listener::~tcp_listener() {
  if (fd_ >= 0)
    ::close(fd_);
}

int tcp_listener::accept(bool& exhausted) const noexcept {
  for (;;) {
    auto fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      return fd;
    }
    // The last one is a client that has left before it was accepted.
    if (errno == EINTR || errno == ECONNABORTED)
      continue;
    exhausted = errno != EAGAIN && errno != EWOULDBLOCK;
    return -1;
  }
}

} // namespace terrace
