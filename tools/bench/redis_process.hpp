/// A redis-server of a benchmark's own.
#pragma once

#include "messages/expected.hpp"
#include "tools/bench/temp_folder.hpp"

#include <cstdint>
#include <string>
#include <utility>

#include <sys/types.h>

namespace terrace::bench {

/// Listens on a socket in a folder of its own and on a free port of the
/// loopback interface, keeps nothing on disk, and ends with the object or the
/// process.
class redis_process {
public:
  /// Starts the redis-server that PATH names and waits until it answers. Fails
  /// with `unavailable`.
  static expected<redis_process> start();

  redis_process(redis_process&& x) noexcept;

  redis_process& operator=(redis_process&&) = delete;

  ~redis_process();

  std::string socket_path() const {
    return folder_.path() / "redis.sock";
  }

  std::uint16_t port() const noexcept {
    return port_;
  }

private:
  explicit redis_process(temp_folder folder) : folder_(std::move(folder)) {
    // nop
  }

  /// Fails if the server does not say that it is ready.
  expected<void> launch();

  void end() noexcept;

  temp_folder folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

} // namespace terrace::bench
