/// A TCP server that answers with fixed bytes, for what a real Redis is hard to
/// bring to say. One thread at a time.
#pragma once

#include "tests/support/loopback.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace terrace::test {

/// A server in one thread that answers every connection with fixed bytes and
/// then, unless told to stay silent, closes it.
class fake_server {
public:
  fake_server(std::string reply, bool stay_open)
    : reply_(std::move(reply)),
      stay_open_(stay_open),
      listener_(listen_on_loopback()),
      port_(port_of(listener_)) {
    thread_ = std::thread{[this] { serve(); }};
  }

  ~fake_server() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  std::string url() const {
    return "redis://127.0.0.1:" + std::to_string(port_);
  }

private:
  void serve() {
    std::vector<int> open;
    for (;;) {
      auto fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0)
        break;
      char buf[4096];
      if (::recv(fd, buf, sizeof(buf), 0) > 0)
        ::send(fd, reply_.data(), reply_.size(), MSG_NOSIGNAL);
      if (stay_open_) {
        open.push_back(fd);
        continue;
      }
      // What was not read would make the system take the reply back.
      ::shutdown(fd, SHUT_WR);
      while (::recv(fd, buf, sizeof(buf), 0) > 0)
        ;
      ::close(fd);
    }
    for (auto fd : open)
      ::close(fd);
  }

  std::string reply_;
  bool stay_open_;
  int listener_;
  std::uint16_t port_;
  std::thread thread_;
};

} // namespace terrace::test
