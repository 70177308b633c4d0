#include "actors/http_gateway.hpp"

#include "actors/invalidation_request.hpp"
#include "actors/log.hpp"
#include "actors/prometheus_format.hpp"
#include "actors/report_format.hpp"

#include <atomic>

namespace terrace {

namespace {

http_response unavailable(const failure& why) {
  return http_error(503, to_string(why.code), to_string(why));
}

/// True if a page of another site made a browser send this.
bool is_foreign(const http_request& x) {
  return !x.origin.empty() && x.origin != "http://" + x.host;
}

using time_ptr = std::shared_ptr<std::atomic<std::int64_t>>;

/// The gateway's place among the actors: its figures, and word of a reset.
/// `server` outlives it.
caf::behavior http_figures_actor(caf::event_based_actor* self,
                                 http_server* server, now_fn now,
                                 time_ptr counting_since_ms) {
  self->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  return {
    [=](status_atom) {
      auto& x = server->figures();
      return actor_status{"http",
                          {{"connections", x.connections},
                           {"refused_connections", x.refused_connections},
                           {"requests", x.requests},
                           {"client_errors", x.client_errors},
                           {"server_errors", x.server_errors}},
                          x.latency.snapshot()};
    },
    [=](reset_atom) {
      server->figures().reset();
      *counting_since_ms = now();
    },
  };
}

} // namespace

struct http_gateway::impl {
  explicit impl(http_services x)
    : services(std::move(x)),
      counting_since_ms(
        std::make_shared<std::atomic<std::int64_t>>(services.now())),
      callers(services.system) {
    // nop
  }

  // -- endpoints --------------------------------------------------------------

  std::vector<http_route> routes() {
    auto get = [this](const char* path, auto format) {
      return http_route{"GET", path, [=, this](const http_request&) {
                          return with_report(format);
                        }};
    };
    auto as_health = [this](const node_report& x) {
      auto status = health_of(x) == node_health::down ? 503 : 200;
      return http_response{status, health_json(x, context())};
    };
    return {
      get("/health", as_health),
      get("/api/v1/cache/health", as_health),
      get("/api/v1/cache/stats",
          [this](const node_report& x) {
            return http_response{200, stats_json(x, context())};
          }),
      get("/api/v1/cache/performance",
          [this](const node_report& x) {
            return http_response{200, performance_json(x, context())};
          }),
      get("/metrics",
          [this](const node_report& x) {
            return http_response{200, prometheus_text(x, services.version),
                                 prometheus_content_type};
          }),
      {"POST", "/api/v1/cache/clear",
       [this](const http_request& x) { return clear(x); }},
      {"POST", "/api/v1/cache/reset",
       [this](const http_request& x) { return reset(x); }},
    };
  }

  report_context context() const {
    return {services.version, *counting_since_ms};
  }

  template <class Format>
  http_response with_report(Format format) {
    auto from = callers.take();
    if (!from)
      return unavailable({errc::shutting_down, {}});
    auto report = from->call<node_report>(services.metrics, report_atom_v);
    return report ? format(*report) : unavailable(report.error());
  }

  http_response clear(const http_request& x) {
    if (is_foreign(x))
      return foreign();
    auto request = parse_invalidation(x.body, services.tenants);
    if (!request)
      return http_error(400, to_string(request.error().code),
                        request.error().detail);
    auto from = callers.take();
    if (!from)
      return unavailable({errc::shutting_down, {}});
    auto done = from->call<invalidation_report>(
      services.invalidator, invalidate_atom_v, request->what, request->reason);
    if (!done)
      return unavailable(done.error());
    return {200, invalidation_json(*done)};
  }

  http_response reset(const http_request& x) {
    if (is_foreign(x))
      return foreign();
    caf::anon_send(services.metrics, reset_atom_v);
    return {200, "{}\n"};
  }

  static http_response foreign() {
    return http_error(403, "forbidden",
                      "The request comes from a page of another site.");
  }

  http_services services;
  time_ptr counting_since_ms;
  caller_pool callers;
  std::unique_ptr<http_server> server;
  caf::actor figures; ///< reads `server`, so it ends first
};

expected<std::unique_ptr<http_gateway>>
http_gateway::start(const http_options& opts, http_services services) {
  auto x = std::make_unique<impl>(std::move(services));
  http_limits limits;
  limits.threads = opts.threads;
  limits.max_body_size = opts.max_body_size;
  auto server = http_server::start(opts.bind, opts.port, limits, x->routes());
  if (!server)
    return server.error();
  x->server = *std::move(server);
  x->figures = x->services.system.spawn(http_figures_actor, x->server.get(),
                                        x->services.now, x->counting_since_ms);
  caf::anon_send(x->services.metrics, caf::join_atom_v, std::string{"http"},
                 x->figures);
  log_of("http").info("listening on {}:{}", opts.bind, x->server->port());
  return std::unique_ptr<http_gateway>{new http_gateway{std::move(x)}};
}

http_gateway::http_gateway(std::unique_ptr<impl> x) : impl_(std::move(x)) {
  // nop
}

http_gateway::~http_gateway() {
  stop();
}

std::uint16_t http_gateway::port() const noexcept {
  return impl_->server->port();
}

void http_gateway::stop() {
  impl_->server->stop();
  impl_->callers.close();
  if (!impl_->figures)
    return;
  caf::scoped_actor self{impl_->services.system};
  self->send_exit(impl_->figures, caf::exit_reason::user_shutdown);
  self->wait_for(impl_->figures);
  impl_->figures = nullptr;
}

} // namespace terrace
