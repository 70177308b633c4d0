/// A blocking client of a node's (or a Redis server's) RESP port.
#pragma once

#include "messages/expected.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct redisContext;

namespace terrace::bench {

struct endpoint {
  std::string host = "127.0.0.1";
  std::uint16_t port = 7379;
};

/// Reads "HOST:PORT", "HOST" or ":PORT"; nothing if it is neither.
std::optional<endpoint> parse_endpoint(std::string_view text);

/// One connection; one thread at a time. After a failure of the connection,
/// every further call fails.
class resp_client {
public:
  /// Connects and selects `tenant`. `unavailable` if nobody is there.
  static expected<resp_client> connect(const endpoint& to,
                                       std::uint32_t tenant);

  resp_client(resp_client&&) noexcept;

  ~resp_client();

  /// The value, or nothing on a miss. `value` keeps its capacity.
  expected<bool> get(std::string_view key, std::string& value);

  /// `ttl_ms` zero: without expiry.
  expected<void> set(std::string_view key, std::string_view value,
                     std::int64_t ttl_ms);

  /// Number of keys of the tenant.
  expected<std::uint64_t> size();

  /// Removes all keys of the tenant.
  expected<void> flush();

private:
  struct closer {
    void operator()(redisContext* x) const noexcept;
  };

  struct reply;

  explicit resp_client(redisContext* x);

  /// Runs a command of `n` arguments.
  expected<reply> run(std::initializer_list<std::string_view> args);

  std::unique_ptr<redisContext, closer> context_;
};

} // namespace terrace::bench
