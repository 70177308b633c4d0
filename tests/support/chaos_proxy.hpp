/// A TCP proxy in front of a server's Unix socket that does to connections what
/// bad networks do: it delays, cuts, half-closes, corrupts, drops bytes and
/// swallows. What it does follows from a seed and from what passes through, so
/// a run can be made again in kind, though not byte by byte.
#pragma once

#include "tests/support/loopback.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <list>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace terrace::test {

/// Runs in a thread of its own from construction to destruction. Its functions
/// may be called from any thread.
class chaos_proxy {
public:
  // -- types ------------------------------------------------------------------

  enum mode : unsigned {
    delay = 1,            ///< a piece waits for up to 100 ms
    cut = 2,              ///< both sides see a reset
    half_close = 4,       ///< the client sees an end, the server nothing
    corrupt_reply = 8,    ///< one byte becomes another
    corrupt_request = 16, ///< likewise
    drop = 32,            ///< some bytes go missing
    blackhole = 64,       ///< nothing passes any more
  };

  static constexpr std::size_t mode_count = 7;

  // -- constructors -----------------------------------------------------------

  /// Begins calm. `path` is the server's socket. Throws `std::runtime_error`.
  chaos_proxy(std::string path, std::uint64_t seed)
    : path_(std::move(path)),
      random_(seed),
      listener_(listen_on_loopback(SOCK_NONBLOCK)),
      port_(port_of(listener_)) {
    thread_ = std::thread{[this] { run(); }};
  }

  chaos_proxy(const chaos_proxy&) = delete;

  chaos_proxy& operator=(const chaos_proxy&) = delete;

  ~chaos_proxy() {
    ended_ = true;
    thread_.join();
    ::close(listener_);
  }

  // -- use --------------------------------------------------------------------

  /// One of the set `modes` happens to one piece in `one_in`.
  void rage(unsigned modes, unsigned one_in) {
    one_in_ = one_in;
    modes_ = modes;
  }

  /// Everything passes, and connections that were swallowed are cut.
  void calm() {
    modes_ = 0;
  }

  // -- properties -------------------------------------------------------------

  std::string url() const {
    return "redis://127.0.0.1:" + std::to_string(port_);
  }

  /// Connections that are open at the moment.
  std::size_t connections() const noexcept {
    return connections_;
  }

  /// How often each mode was used, in the order of the bits.
  std::array<std::uint64_t, mode_count> uses() const {
    std::array<std::uint64_t, mode_count> result{};
    for (std::size_t i = 0; i < mode_count; ++i)
      result[i] = uses_[i];
    return result;
  }

private:
  using clock = std::chrono::steady_clock;

  /// One direction of a connection.
  struct stream {
    int from = -1;
    int to = -1;
    std::string pending;
    clock::time_point due{}; ///< pending bytes go on then
    bool ended = false;      ///< nothing more comes
  };

  struct link {
    stream request; ///< from the client to the server
    stream reply;
    bool swallowed = false;
    bool dead = false;
  };

  void run() {
    while (!ended_) {
      std::vector<pollfd> fds{{listener_, POLLIN, 0}};
      for (auto& x : links_)
        for (auto* y : {&x.request, &x.reply})
          fds.push_back({y->from, events_of(x, *y), 0});
      ::poll(fds.data(), fds.size(), 5);
      auto at = fds.begin() + 1;
      for (auto& x : links_)
        for (auto* y : {&x.request, &x.reply})
          step(x, *y, at++->revents);
      if (fds[0].revents != 0)
        accept();
      links_.remove_if([this](link& x) { return close_if_dead(x); });
      connections_ = links_.size();
    }
    for (auto& x : links_)
      close(x);
  }

  static short events_of(const link& x, const stream& y) {
    return !x.dead && !y.ended && y.pending.empty() ? POLLIN : 0;
  }

  void accept() {
    auto client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0)
      return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    auto server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(server, reinterpret_cast<sockaddr*>(&address),
                  sizeof(address))
        != 0) {
      ::close(server);
      ::close(client);
      return;
    }
    // A peer that does not read must not stop everybody else.
    for (auto fd : {client, server})
      ::fcntl(fd, F_SETFL, O_NONBLOCK);
    auto& x = links_.emplace_back();
    x.request.from = x.reply.to = client;
    x.request.to = x.reply.from = server;
  }

  void step(link& x, stream& y, short events) {
    if (x.dead)
      return;
    if (x.swallowed && modes_ == 0) {
      x.dead = true;
      return;
    }
    if (y.pending.empty() && events != 0)
      receive(x, y);
    if (!y.pending.empty() && clock::now() >= y.due)
      pass_on(x, y);
  }

  void receive(link& x, stream& y) {
    char buf[16384];
    auto n = ::recv(y.from, buf, sizeof(buf), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      return;
    if (n <= 0) {
      // As a client of Redis or Redis itself would: an end ends all.
      y.ended = true;
      x.dead = true;
      return;
    }
    if (x.swallowed)
      return;
    y.pending.assign(buf, static_cast<std::size_t>(n));
    if (auto modes = modes_.load(); modes != 0 && draw(one_in_) == 0)
      harm(x, y, modes);
  }

  void pass_on(link& x, stream& y) {
    auto n = ::send(y.to, y.pending.data(), y.pending.size(), MSG_NOSIGNAL);
    if (n > 0)
      y.pending.erase(0, static_cast<std::size_t>(n));
    else if (errno != EAGAIN && errno != EINTR)
      x.dead = true;
  }

  /// Does one of `modes` to what was just received.
  void harm(link& x, stream& y, unsigned modes) {
    auto bit = draw(mode_count);
    const bool request = &y == &x.request;
    if ((modes >> bit & 1) == 0 || (request && 1u << bit == corrupt_reply)
        || (!request && 1u << bit == corrupt_request))
      return;
    ++uses_[bit];
    auto& bytes = y.pending;
    switch (1u << bit) {
      case delay:
        y.due = clock::now() + std::chrono::milliseconds(1 + draw(100));
        break;
      case cut:
        x.dead = true;
        break;
      case half_close:
        ::shutdown(x.reply.to, SHUT_WR);
        x.swallowed = true;
        bytes.clear();
        break;
      case drop: {
        auto first = draw(bytes.size());
        bytes.erase(first, 1 + draw(64));
        break;
      }
      case blackhole:
        x.swallowed = true;
        bytes.clear();
        break;
      default:
        bytes[draw(bytes.size())] ^= static_cast<char>(1 + draw(255));
    }
  }

  bool close_if_dead(link& x) {
    if (x.dead)
      close(x);
    return x.dead;
  }

  static void close(link& x) {
    linger hard{1, 0};
    for (auto fd : {x.request.from, x.request.to}) {
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
      ::close(fd);
    }
  }

  std::size_t draw(std::size_t below) {
    return std::uniform_int_distribution<std::size_t>{0, below - 1}(random_);
  }

  std::string path_;
  std::mt19937_64 random_;
  int listener_;
  std::uint16_t port_;
  std::atomic<unsigned> modes_{0};
  std::atomic<unsigned> one_in_{1};
  std::atomic<bool> ended_{false};
  std::atomic<std::size_t> connections_{0};
  std::array<std::atomic<std::uint64_t>, mode_count> uses_{};
  std::list<link> links_; /// Of the thread.
  std::thread thread_;
};

} // namespace terrace::test
