/// Stands between one node and a Redis server, and can part them. It can also
/// lose, repeat and swap what a channel brings.
#pragma once

#include "tests/support/loopback.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdint>
#include <list>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace terrace::test {

/// A thread of its own; `set` and `meddle` may be called from another one.
class partition_proxy {
public:
  enum class state {
    open,   ///< passes everything on
    closed, ///< connections are closed and refused
    stuck,  ///< connections stay and nothing passes
  };

  /// In front of the server at `port` of the loopback interface.
  explicit partition_proxy(std::uint16_t port, std::uint64_t seed = 1)
    : server_(port),
      listener_(listen_on_loopback()),
      port_(port_of(listener_)),
      random_(seed) {
    thread_ = std::thread{[this] { run(); }};
  }

  partition_proxy(const partition_proxy&) = delete;

  partition_proxy& operator=(const partition_proxy&) = delete;

  ~partition_proxy() {
    done_ = true;
    thread_.join();
    for (auto& x : links_)
      close(x);
    ::close(listener_);
  }

  std::string url() const {
    return "redis://127.0.0.1:" + std::to_string(port_);
  }

  /// Returns when it is so.
  void set(state x) noexcept {
    state_ = x;
    while (applied_ != x)
      std::this_thread::yield();
  }

  /// Of the messages of channels, about one in `n` each is lost, repeated, and
  /// put behind the next one; 0: none.
  void meddle(unsigned n) noexcept {
    meddling_ = n;
  }

  std::uint64_t meddled() const noexcept {
    return meddled_;
  }

private:
  struct link {
    int node;
    int server;
    std::string incoming; ///< of a subscriber, not a whole message yet
    std::string held;     ///< comes after the next message
    bool subscriber = false;
  };

  static void close(link& x) {
    ::close(x.node);
    ::close(x.server);
  }

  static bool send_all(int to, std::string_view bytes) {
    while (!bytes.empty()) {
      auto n = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0)
        return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  void accept_one() {
    auto node = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (node < 0)
      return;
    auto server = applied_ == state::closed ? -1 : connect_to_loopback(server_);
    if (server < 0) {
      ::close(node);
      return;
    }
    links_.push_back({node, server, {}, {}, false});
  }

  /// Where the reply at `at` ends; npos if it is not whole.
  static std::size_t end_of_reply(std::string_view bytes, std::size_t at) {
    auto end = bytes.find("\r\n", at);
    if (end == bytes.npos)
      return bytes.npos;
    int n = 0;
    std::from_chars(bytes.data() + at + 1, bytes.data() + end, n);
    auto kind = bytes[at];
    end += 2;
    if (kind == '$' && n >= 0)
      end += static_cast<std::size_t>(n) + 2;
    for (; kind == '*' && n > 0 && end != bytes.npos; --n)
      end = end_of_reply(bytes, end);
    return end <= bytes.size() ? end : bytes.npos;
  }

  /// The whole replies and messages that `bytes` begins with.
  static std::vector<std::string> take_messages(std::string& bytes) {
    std::vector<std::string> result;
    for (;;) {
      auto end = end_of_reply(bytes, 0);
      if (end == bytes.npos)
        return result;
      result.push_back(bytes.substr(0, end));
      bytes.erase(0, end);
    }
  }

  bool pass_messages(link& x) {
    for (auto& message : take_messages(x.incoming)) {
      auto n = meddling_.load();
      auto chance = n == 0 ? 3 : random_() % n;
      meddled_ += chance < 3 && n != 0;
      std::string out;
      if (n == 0 || chance >= 3)
        out = message;
      else if (chance == 1)
        out = message + message;
      else if (chance == 2)
        out = std::exchange(x.held, {});
      out += std::exchange(x.held, chance == 2 && n != 0 ? message : "");
      if (!send_all(x.node, out))
        return false;
    }
    return true;
  }

  /// False if the link is at its end.
  bool pass(link& x, bool from_node) {
    char buf[65536];
    auto n = ::recv(from_node ? x.node : x.server, buf, sizeof(buf), 0);
    if (n <= 0)
      return false;
    std::string_view bytes{buf, static_cast<std::size_t>(n)};
    if (from_node) {
      x.subscriber = x.subscriber || bytes.find("SUBSCRIBE") != bytes.npos;
      return send_all(x.server, bytes);
    }
    if (!x.subscriber)
      return send_all(x.node, bytes);
    x.incoming += bytes;
    return pass_messages(x);
  }

  void run() {
    while (!done_) {
      auto now = state_.load();
      if (now == state::closed) {
        for (auto& x : links_)
          close(x);
        links_.clear();
      }
      applied_ = now;
      std::vector<pollfd> wanted{{listener_, POLLIN, 0}};
      if (now != state::stuck)
        for (auto& x : links_) {
          wanted.push_back({x.node, POLLIN, 0});
          wanted.push_back({x.server, POLLIN, 0});
        }
      if (::poll(wanted.data(), wanted.size(), 5) <= 0 || now == state::stuck)
        continue;
      std::size_t i = 1;
      for (auto x = links_.begin(); i < wanted.size(); i += 2) {
        auto ok = (wanted[i].revents == 0 || pass(*x, true))
                  && (wanted[i + 1].revents == 0 || pass(*x, false));
        if (!ok)
          close(*x);
        x = ok ? std::next(x) : links_.erase(x);
      }
      if (wanted[0].revents != 0)
        accept_one();
    }
  }

  std::uint16_t server_;
  int listener_;
  std::uint16_t port_;
  std::mt19937_64 random_;
  std::list<link> links_;
  std::atomic<state> state_{state::open};   ///< wanted
  std::atomic<state> applied_{state::open}; ///< in force
  std::atomic<unsigned> meddling_{0};
  std::atomic<std::uint64_t> meddled_{0};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

} // namespace terrace::test
