/// What Terrace says to Redis and how it understands the answers: RESP2
/// requests, replies, the translation of error replies. Source: redis.io,
/// "Redis serialization protocol".
#pragma once

#include "messages/errc.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// Appends one argument of a command.
void append_redis_argument(std::string& out, std::string_view x);

/// Commands that are sent together. hiredis could assemble them as well, but it
/// copies twice and writes without MSG_NOSIGNAL, so that a closed connection
/// would kill the process.
struct redis_pipeline {
  std::string bytes;
  std::size_t commands = 0;

  /// Begins a command; as many arguments, its name included, must follow.
  void begin(std::size_t arguments);

  void add(std::initializer_list<std::string_view> arguments);

  void clear() noexcept {
    bytes.clear();
    commands = 0;
  }
};

/// A reply as it was parsed. A view: the connection owns the bytes, until it
/// sends the next pipeline.
struct redis_reply {
  enum class kind : std::uint8_t {
    nil,
    text,
    status,
    error,
    integer,
    array,
    lost, ///< there is none, for its server failed
  };

  kind what = kind::nil;
  std::string_view text; ///< of a text, status or error
  std::int64_t integer = 0;
  std::vector<redis_reply> elements;

  bool is(kind x) const noexcept {
    return what == x;
  }
};

/// Meaning of an error reply, whose text is kept as the detail:
///
///     LOADING MASTERDOWN CLUSTERDOWN TRYAGAIN BUSY   unavailable
///     NOSCRIPT, though the script was just loaded    unavailable
///     READONLY MISCONF NOREPLICAS                    read_only
///     OOM                                            no_space
///     NOAUTH WRONGPASS NOPERM DENIED, AUTH refused   auth_failed
///     MOVED ASK (a cluster), bad DB index            invalid_argument
///     max number of clients reached                  overloaded
///     anything else                                  protocol_violation
failure translate_redis_error(std::string_view text);

/// Kinds of error replies that are counted apart: the first words above, then
/// those that begin with a bare "ERR", then all others.
inline constexpr std::size_t redis_error_kinds = 20;

/// Kind of an error reply, below `redis_error_kinds`.
std::size_t redis_error_kind(std::string_view text) noexcept;

/// Name of a kind in figures: "loading", "max_clients", "other".
std::string_view redis_error_name(std::size_t kind) noexcept;

} // namespace terrace
