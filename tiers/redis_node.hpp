/// One server of a Redis tier as all connections of the tier see it, so that a
/// server that hangs costs the tier one time limit, not one per connection.
#pragma once

#include "config/redis_url.hpp"
#include "tiers/circuit_breaker.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

namespace terrace {

/// Every member may be used from any thread.
class redis_node {
public:
  using time_point = circuit_breaker::time_point;

  // -- constructors -----------------------------------------------------------

  /// The breaker is circuit_breaker's.
  redis_node(redis_address where, std::uint32_t failures,
             std::chrono::milliseconds open_for);

  // -- use --------------------------------------------------------------------

  /// True if a batch may be sent to it; whoever sends one then says how it
  /// ended. While the server is down, one batch in `open_for` is let through as
  /// the probe, and every batch that is `urgent`.
  bool admit(time_point now, bool urgent);

  void answered();

  void failed(const failure& why, time_point now);

  // -- properties -------------------------------------------------------------

  const redis_address& where() const noexcept {
    return where_;
  }

  /// "host:port" or the path of a socket, with the database if it is not 0.
  const std::string& name() const noexcept {
    return name_;
  }

  bool down() const noexcept {
    return down_.load(std::memory_order_relaxed);
  }

  /// Why it is down, with its name.
  failure reason() const;

private:
  redis_address where_;
  std::string name_;
  mutable std::mutex mutex_;      /// Guards the breaker.
  circuit_breaker breaker_;       /// Whether it answers.
  std::atomic<bool> down_{false}; /// The breaker is not closed.
};

using redis_node_ptr = std::shared_ptr<redis_node>;

/// Name of the server at `where`. It has no login: who it is does not depend on
/// that.
std::string redis_node_name(const redis_address& where);

} // namespace terrace
