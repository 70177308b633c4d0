/// One of many RESP connections driven by one thread.
#pragma once

#include "messages/expected.hpp"
#include "tools/bench/resp_client.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

namespace terrace::bench {

/// Never blocks, except when it connects.
class net_connection {
public:
  using clock = std::chrono::steady_clock;

  struct answers {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t errors = 0;
  };

  static expected<net_connection> open(const endpoint& to);

  net_connection(net_connection&&) noexcept;

  ~net_connection();

  int fd() const noexcept;

  void add_get(std::string_view key);

  void add_set(std::string_view key, std::string_view value);

  /// Begins to send what was added; from now on time counts.
  expected<void> start();

  /// True while something is left to send.
  bool sending() const noexcept {
    return sending_;
  }

  /// Number of answers to come.
  std::size_t open_answers() const noexcept {
    return open_;
  }

  /// Sends and receives what is possible now, and counts the answers.
  expected<void> go_on(bool readable, answers& out);

  clock::time_point started() const noexcept {
    return started_;
  }

private:
  struct impl;

  explicit net_connection(std::unique_ptr<impl> x);

  expected<void> flush();

  std::unique_ptr<impl> impl_;
  std::size_t open_ = 0;
  bool sending_ = false;
  clock::time_point started_;
};

} // namespace terrace::bench
