#include "actors/resp/set_options.hpp"

#include "actors/resp/words.hpp"

#include <algorithm>
#include <limits>

namespace terrace::resp {

namespace {

constexpr auto most = std::numeric_limits<std::int64_t>::max();
constexpr auto least = std::numeric_limits<std::int64_t>::min();

syntax_error invalid_expire(std::string_view command) {
  return "ERR invalid expire time in '" + std::string{command} + "' command";
}

/// The unit of an option that SET and GETEX share.
std::optional<time_unit> expiry_option(std::string_view x) {
  if (same_word(x, "ex"))
    return time_unit{true, false};
  if (same_word(x, "px"))
    return time_unit{false, false};
  if (same_word(x, "exat"))
    return time_unit{true, true};
  if (same_word(x, "pxat"))
    return time_unit{false, true};
  return std::nullopt;
}

} // namespace

syntax_error read_deadline(std::string_view text, time_unit unit, bool positive,
                           std::int64_t now_ms, std::string_view command,
                           std::int64_t& out) {
  auto x = parse_integer(text);
  if (!x)
    return std::string{not_integer_text};
  if (positive && *x <= 0)
    return invalid_expire(command);
  auto ms = *x;
  if (unit.seconds) {
    if (ms > most / 1000 || ms < least / 1000)
      return invalid_expire(command);
    ms *= 1000;
  }
  if (!unit.absolute) {
    if (ms > most - now_ms)
      return invalid_expire(command);
    ms += now_ms;
  }
  out = std::max<std::int64_t>(ms, 1);
  return {};
}

syntax_error read_set_options(arguments xs, std::int64_t now_ms,
                              set_options& out) {
  // As in Redis the time is judged last: its errors come after syntax errors.
  std::string_view time;
  time_unit unit;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    auto x = xs[i];
    if (same_word(x, "nx") && out.when != mutation::condition::if_present) {
      out.when = mutation::condition::if_absent;
    } else if (same_word(x, "xx")
               && out.when != mutation::condition::if_absent) {
      out.when = mutation::condition::if_present;
    } else if (same_word(x, "get")) {
      out.get = true;
    } else if (same_word(x, "keepttl") && !out.has_expiry) {
      out.keep_ttl = true;
    } else if (auto found = expiry_option(x);
               found && !out.has_expiry && !out.keep_ttl && i + 1 < xs.size()) {
      out.has_expiry = true;
      unit = *found;
      time = xs[++i];
    } else {
      return std::string{syntax_error_text};
    }
  }
  if (!out.has_expiry)
    return {};
  return read_deadline(time, unit, true, now_ms, "set", out.expires_ms);
}

syntax_error read_getex_options(arguments xs, std::int64_t now_ms,
                                getex_options& out) {
  std::string_view time;
  time_unit unit;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    if (out.persist || out.has_expiry)
      return std::string{syntax_error_text};
    if (same_word(xs[i], "persist")) {
      out.persist = true;
    } else if (auto found = expiry_option(xs[i]); found && i + 1 < xs.size()) {
      out.has_expiry = true;
      unit = *found;
      time = xs[++i];
    } else {
      return std::string{syntax_error_text};
    }
  }
  if (!out.has_expiry)
    return {};
  return read_deadline(time, unit, true, now_ms, "getex", out.expires_ms);
}

syntax_error read_expire_options(arguments xs, mutation::condition& out) {
  bool nx = false, xx = false, gt = false, lt = false;
  for (auto x : xs) {
    if (same_word(x, "nx"))
      nx = true;
    else if (same_word(x, "xx"))
      xx = true;
    else if (same_word(x, "gt"))
      gt = true;
    else if (same_word(x, "lt"))
      lt = true;
    else
      return "ERR Unsupported option " + std::string{x};
  }
  if (nx && (xx || gt || lt))
    return "ERR NX and XX, GT or LT options at the same time are not "
           "compatible";
  if (gt && lt)
    return "ERR GT and LT options at the same time are not compatible";
  // A key without expiry lives for ever, so GT never applies to it and includes
  // XX. LT does apply to it: both together would be a condition of their own.
  if (xx && lt)
    return "ERR XX and LT options at the same time are not supported";
  using condition = mutation::condition;
  out = nx   ? condition::if_absent
        : gt ? condition::if_later
        : lt ? condition::if_earlier
        : xx ? condition::if_present
             : condition::always;
  return {};
}

} // namespace terrace::resp
