#include "tools/bench/free_port.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace terrace::bench {

std::uint16_t free_port() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool ok = ::bind(fd, raw, size) == 0
                  && ::getsockname(fd, raw, &size) == 0;
  ::close(fd);
  return ok ? ntohs(address.sin_port) : 0;
}

} // namespace terrace::bench
