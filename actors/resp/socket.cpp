#include "actors/resp/socket.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace terrace::resp {

namespace {

struct address {
  sockaddr_storage data{};
  socklen_t size = 0;

  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&data);
  }

  sockaddr* get() {
    return reinterpret_cast<sockaddr*>(&data);
  }

  void port(std::uint16_t x) {
    if (data.ss_family == AF_INET6)
      reinterpret_cast<sockaddr_in6*>(&data)->sin6_port = htons(x);
    else
      reinterpret_cast<sockaddr_in*>(&data)->sin_port = htons(x);
  }

  std::uint16_t port() const {
    return ntohs(data.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&data)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&data)->sin_port);
  }

  std::string text() const {
    char host[64];
    if (::getnameinfo(get(), size, host, sizeof(host), nullptr, 0,
                      NI_NUMERICHOST)
        != 0)
      return {};
    auto name = data.ss_family == AF_INET6 ? "[" + std::string{host} + "]"
                                           : std::string{host};
    return name + ":" + std::to_string(port());
  }
};

expected<address> resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (auto rc = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); rc != 0)
    return failure{errc::invalid_argument,
                   "resp.bind \"" + host + "\": " + ::gai_strerror(rc)};
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard{found,
                                                             &::freeaddrinfo};
  address result;
  std::memcpy(&result.data, found->ai_addr, found->ai_addrlen);
  result.size = found->ai_addrlen;
  result.port(port);
  return result;
}

failure socket_failure(const address& where, const char* what) {
  auto code = errno == EADDRINUSE ? errc::in_use : errc::io_failure;
  return {code, where.text() + ": " + what + ": " + std::strerror(errno)};
}

void enable(int fd, int level, int option) {
  int one = 1;
  ::setsockopt(fd, level, option, &one, sizeof(one));
}

/// Bound, not yet listening. Shared: others of this process may bind it too.
expected<int> bind_to(const address& where, bool shared) {
  auto fd = ::socket(where.data.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return socket_failure(where, "socket");
  enable(fd, SOL_SOCKET, SO_REUSEADDR);
  if (shared)
    enable(fd, SOL_SOCKET, SO_REUSEPORT);
  if (::bind(fd, where.get(), where.size) != 0) {
    auto why = socket_failure(where, "bind");
    ::close(fd);
    return why;
  }
  return fd;
}

std::string address_of(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  address x;
  x.size = sizeof(x.data);
  return ask(fd, x.get(), &x.size) == 0 ? x.text() : std::string{};
}

} // namespace

expected<std::vector<int>> listen_on(const std::string& bind,
                                     std::uint16_t port, std::size_t count) {
  constexpr int backlog = 1024;
  auto where = resolve(bind, port);
  if (!where)
    return where.error();
  const bool shared = count > 1;
  if (shared && port != 0) {
    // Another process that shares its port would get half of our clients. A
    // socket that does not share fails where it listens.
    auto probe = bind_to(*where, false);
    if (!probe)
      return probe.error();
    ::close(*probe);
  }
  std::vector<int> result;
  auto give_up = [&](failure why) {
    for (auto fd : result)
      ::close(fd);
    return why;
  };
  while (result.size() < count) {
    auto fd = bind_to(*where, shared);
    if (!fd)
      return give_up(fd.error());
    result.push_back(*fd);
    if (::listen(*fd, backlog) != 0)
      return give_up(socket_failure(*where, "listen"));
    where->port(local_port(*fd));
  }
  return result;
}

std::uint16_t local_port(int fd) {
  address x;
  x.size = sizeof(x.data);
  return ::getsockname(fd, x.get(), &x.size) == 0 ? x.port() : std::uint16_t{0};
}

std::string local_address(int fd) {
  return address_of(fd, [](int s, sockaddr* out, socklen_t* size) {
    return ::getsockname(s, out, size);
  });
}

std::string peer_address(int fd) {
  return address_of(fd, [](int s, sockaddr* out, socklen_t* size) {
    return ::getpeername(s, out, size);
  });
}

void tune_connection(int fd) {
  enable(fd, IPPROTO_TCP, TCP_NODELAY);
  enable(fd, SOL_SOCKET, SO_KEEPALIVE);
}

std::uint64_t raise_descriptor_limit(std::uint64_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return wanted;
  if (limit.rlim_cur < wanted) {
    auto present = limit.rlim_cur;
    limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
      return present;
  }
  return limit.rlim_cur;
}

} // namespace terrace::resp
