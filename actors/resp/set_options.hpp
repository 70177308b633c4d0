/// The options of SET, GETEX and EXPIRE, with Redis' rules and error texts.
#pragma once

#include "messages/mutation.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace terrace::resp {

using arguments = std::span<const std::string_view>;

/// How a command writes a point in time.
struct time_unit {
  bool seconds = true;   ///< otherwise milliseconds
  bool absolute = false; ///< Unix time, otherwise counted from now
};

/// Result of reading arguments: an error text, empty on success, that is the
/// whole error reply without its dash.
using syntax_error = std::string;

/// What follows key and value in SET.
struct set_options {
  mutation::condition when = mutation::condition::always;
  bool get = false;
  bool keep_ttl = false;
  bool has_expiry = false;
  std::int64_t expires_ms = 0;
};

syntax_error read_set_options(arguments xs, std::int64_t now_ms,
                              set_options& out);

/// What follows the key in GETEX.
struct getex_options {
  bool persist = false;
  bool has_expiry = false;
  std::int64_t expires_ms = 0;
};

syntax_error read_getex_options(arguments xs, std::int64_t now_ms,
                                getex_options& out);

/// What follows the time in EXPIRE and its kin.
syntax_error read_expire_options(arguments xs, mutation::condition& out);

/// The deadline that `text` means, never zero; a deadline in the past is at
/// least
/// 1. `positive`: zero and less are refused, as SET does. `command` is named in
/// the error.
syntax_error read_deadline(std::string_view text, time_unit unit, bool positive,
                           std::int64_t now_ms, std::string_view command,
                           std::int64_t& out);

inline constexpr std::string_view syntax_error_text = "ERR syntax error";
inline constexpr std::string_view not_integer_text
  = "ERR value is not an integer or out of range";

} // namespace terrace::resp
