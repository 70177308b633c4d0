/// Reads one HTTP/1.1 request from a connection, finds its route, writes the
/// response. The one place that knows cpp-httplib.
#pragma once

#include "actors/http_server.hpp"
#include "actors/tcp_connection.hpp"

#include <memory>
#include <vector>

namespace terrace {

/// Thread-safe: each thread handles a connection of its own.
class http_processor {
public:
  /// `figures` must outlive the processor.
  http_processor(const http_limits& limits, std::vector<http_route> routes,
                 http_figures& figures);

  ~http_processor();

  /// Handles the next request, which has begun to arrive. Returns false if the
  /// connection is over: the client has left or wants that, the request was
  /// broken or had a body, or the connection has had its share of requests.
  bool handle(tcp_connection& x);

private:
  class impl;

  std::unique_ptr<impl> impl_;
};

} // namespace terrace
