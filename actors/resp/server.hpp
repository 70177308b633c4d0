/// The RESP face of a node: listening sockets, I/O threads, gateways.
#pragma once

#include "actors/resp/services.hpp"
#include "messages/expected.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace terrace {

/// Start, use and stop it from one thread.
class resp_server {
public:
  // -- constructors -----------------------------------------------------------

  /// Listens as `services.config->resp` says and serves clients from then on.
  /// The gateways join the metrics aggregator as "resp.0", "resp.1", … Fails
  /// with `in_use` if the port is taken, with `invalid_argument` or
  /// `io_failure` if the address is of no use, all with the system's text.
  /// Raises this process' limit on open files where it may; where it may not,
  /// fewer clients are accepted than configured, and the log says so.
  static expected<std::unique_ptr<resp_server>> start(caf::actor_system& sys,
                                                      resp_services services);

  resp_server(const resp_server&) = delete;

  resp_server& operator=(const resp_server&) = delete;

  /// Stops the server.
  ~resp_server();

  // -- use --------------------------------------------------------------------

  /// The port, useful when it was configured as 0.
  std::uint16_t port() const noexcept;

  /// One per I/O thread. They answer `status` and react to `reset` and `tick`.
  const std::vector<caf::actor>& gateways() const noexcept;

  /// Disconnects all clients and ends the threads. Blocks until done;
  /// idempotent.
  void stop();

private:
  struct parts;

  explicit resp_server(std::unique_ptr<parts> x);

  std::unique_ptr<parts> parts_;
};

} // namespace terrace
