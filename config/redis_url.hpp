/// Where a Redis server is and how to log in, read from a URL. Source: the
/// "redis" scheme as registered with IANA; "unix" as in redis-py.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// Either `path` names a Unix domain socket, or `host` and `port` a TCP server.
struct redis_address {
  std::string host;
  std::uint16_t port = 6379;
  std::string path;     ///< empty: TCP
  std::string user;     ///< empty: the default user
  std::string password; ///< empty: no AUTH
  std::uint32_t db = 0;

  friend bool operator==(const redis_address&, const redis_address&) = default;
};

/// Reads `redis://[[user]:password@]host[:port][/db]` or `unix://path[?db=n]`.
/// User, password and path may be percent-encoded; an IPv6 address stands in
/// brackets, which `host` does not keep. Nothing if `url` is anything else;
/// `rediss://` (TLS) is not supported.
std::optional<redis_address> parse_redis_url(std::string_view url);

/// The URLs in a list: a comma ends one if a scheme follows, so that a password
/// may hold commas. At least one, which may be empty; spaces after a comma are
/// skipped.
std::vector<std::string_view> split_redis_urls(std::string_view urls);

/// `url` with the password replaced by "***", for logs and for users. Hides too
/// much rather than too little if `url` is malformed.
std::string mask_redis_url(std::string_view url);

/// The same for every URL of a list.
std::string mask_redis_urls(std::string_view urls);

} // namespace terrace
