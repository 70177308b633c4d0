/// A small HTTP/1.1 server for operators: a table of routes, a few threads, and
/// limits on everything a client can do. Knows neither actors nor endpoints.
///
/// cpp-httplib reads requests and writes responses; the sockets are ours, since
/// a slow client must not hold a thread for long. One thread accepts
/// connections and watches those that are silent; a connection gets one of the
/// other threads when its request begins to arrive, and then has a fixed time
/// for the whole request and another one for taking the response. Heads and
/// bodies are bounded in bytes; past `max_connections` a client is told 503 at
/// once.
#pragma once

#include "messages/expected.hpp"
#include "messages/histogram.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

struct http_request {
  std::string method;
  std::string path;
  std::string body;
  std::string origin; ///< header Origin, sent by browsers, else empty
  std::string host;   ///< header Host
};

struct http_response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
};

/// Called from several threads. What it throws becomes status 500.
using http_handler = std::function<http_response(const http_request&)>;

/// GET (and with it HEAD) or POST on exactly one path.
struct http_route {
  std::string method;
  std::string path;
  http_handler handler;
};

struct http_limits {
  std::size_t threads = 2;
  std::size_t max_body_size = 1 << 20;
  std::size_t max_head_size = 64 << 10;
  std::size_t max_connections = 256;
  std::size_t max_requests = 1000; ///< per connection
  std::chrono::milliseconds request_time{5000};
  std::chrono::milliseconds response_time{5000};
  std::chrono::milliseconds idle_time{30000}; ///< before a request begins
};

/// Counters of a server; any thread may read them.
struct http_figures {
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> refused_connections{0};
  std::atomic<std::uint64_t> requests{0};      ///< answered ones
  std::atomic<std::uint64_t> client_errors{0}; ///< responses 400 to 499
  std::atomic<std::uint64_t> server_errors{0}; ///< responses 500 to 599
  latency_recorder latency;                    ///< of handlers

  void reset() noexcept;
};

class http_server {
public:
  /// Listens on `bind`, an IPv4 address or "localhost"; port 0 takes a free
  /// one. Fails with `in_use` if the port is taken, else `io_failure`, with the
  /// system's text, or `invalid_argument` if `bind` is no address.
  static expected<std::unique_ptr<http_server>>
  start(const std::string& bind, std::uint16_t port, const http_limits& limits,
        std::vector<http_route> routes);

  http_server(const http_server&) = delete;

  http_server& operator=(const http_server&) = delete;

  /// Stops the server.
  ~http_server();

  std::uint16_t port() const noexcept;

  http_figures& figures() noexcept;

  /// Ends requests that are still being read, lets responses finish, joins all
  /// threads. Not to be called from a handler. Idempotent.
  void stop();

private:
  class engine;

  explicit http_server(std::unique_ptr<engine> x);

  std::unique_ptr<engine> engine_;
};

/// An error as JSON with the given status; `code` is a word for programs.
http_response http_error(int status, std::string_view code,
                         std::string_view message);

} // namespace terrace
