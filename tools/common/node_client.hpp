/// A client for a node's HTTP port.
#pragma once

#include "messages/expected.hpp"

#include <memory>
#include <string>

namespace terrace {

/// Blocking; one thread at a time. Keeps its connection between requests.
class node_client {
public:
  struct reply {
    int status = 0;
    std::string body;
  };

  /// `url` is http://HOST[:PORT]; the port is 7380 if not given. Anything else
  /// fails with `invalid_argument`. Does not connect yet.
  static expected<node_client> open(const std::string& url);

  node_client(node_client&&) noexcept;

  ~node_client();

  /// Fails with `unavailable` if the node cannot be reached, otherwise gives
  /// what it answers, errors included.
  expected<reply> get(const std::string& path);

  expected<reply> post(const std::string& path, const std::string& body);

  /// The same, with answers other than 200 turned into failures that carry the
  /// node's own words.
  expected<std::string> get_ok(const std::string& path);

  expected<std::string> post_ok(const std::string& path,
                                const std::string& body);

private:
  struct impl;

  explicit node_client(std::unique_ptr<impl> x);

  std::unique_ptr<impl> impl_;
};

} // namespace terrace
