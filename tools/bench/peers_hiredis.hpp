/// hiredis by hand, as the Redis tier's peer.
#pragma once

#include "messages/expected.hpp"
#include "tools/bench/redis_values.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>

struct redisContext;

namespace terrace::bench {

/// One blocking connection, used by one thread.
class hiredis_peer {
public:
  /// Connects by TCP to the loopback interface. Fails with `unavailable`.
  static expected<hiredis_peer> by_port(std::uint16_t port);

  /// Connects by a Unix socket. Likewise.
  static expected<hiredis_peer> by_socket(const std::string& path);

  /// Gets random keys, `depth` in a pipeline, for `length`; returns answers per
  /// second. Every answer must be the record that the tier has written: of the
  /// right length, with the value in its end. Fails with `protocol_violation`
  /// if one is not, or as `by_port` if the connection is lost.
  expected<double> run(const redis_values& values, std::size_t depth,
                       std::chrono::duration<double> length);

private:
  struct closer {
    void operator()(redisContext* x) const noexcept;
  };

  explicit hiredis_peer(redisContext* x) : context_(x) {
    // nop
  }

  static expected<hiredis_peer> checked(redisContext* x);

  std::unique_ptr<redisContext, closer> context_;
  std::mt19937_64 random_{2};
};

} // namespace terrace::bench
