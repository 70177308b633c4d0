/// The HTTP face of a node (row D6): what the node is doing, for operators and
/// for Prometheus, and invalidation.
///
/// | request | answer |
/// | --- | --- |
/// | GET /health, /api/v1/cache/health | state of each tier; 503 if none serves
/// | | GET /api/v1/cache/stats | all figures as JSON | | GET
/// /api/v1/cache/performance | latencies and rates as JSON | | GET /metrics |
/// all figures for Prometheus | | POST /api/v1/cache/clear | removes entries,
/// see invalidation_request.hpp | | POST /api/v1/cache/reset | counters back to
/// zero |
///
/// Errors are `{"error": {"code": ..., "message": ...}}`. A POST that a browser
/// sends from another site's page is refused with 403.
#pragma once

#include "actors/caller.hpp"
#include "actors/clock.hpp"
#include "actors/http_server.hpp"
#include "config/options.hpp"
#include "messages/interfaces.hpp"

#include <memory>
#include <string>

namespace terrace {

/// What the gateway needs from its node.
struct http_services {
  caf::actor_system& system;
  metrics_actor metrics;
  invalidator_actor invalidator;
  now_fn now;
  std::uint32_t tenants; ///< their number
  std::string version;   ///< of the node
};

/// Threads of its own call the actors. Stop it before the actor system ends.
class http_gateway {
public:
  /// Listens as `opts` says (port 0 takes a free one) and joins the metrics as
  /// "http". Errors: as `http_server::start`.
  static expected<std::unique_ptr<http_gateway>> start(const http_options& opts,
                                                       http_services services);

  http_gateway(const http_gateway&) = delete;

  http_gateway& operator=(const http_gateway&) = delete;

  /// Stops it.
  ~http_gateway();

  std::uint16_t port() const noexcept;

  /// Answers what is under way and joins all threads. Idempotent.
  void stop();

private:
  struct impl;

  explicit http_gateway(std::unique_ptr<impl> x);

  std::unique_ptr<impl> impl_;
};

} // namespace terrace
