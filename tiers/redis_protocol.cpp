#include "tiers/redis_protocol.hpp"

#include <array>
#include <charconv>

namespace terrace {

namespace {

void append_count(std::string& out, char mark, std::size_t n) {
  char buf[24];
  auto end = std::to_chars(buf, buf + sizeof(buf), n).ptr;
  out += mark;
  out.append(buf, end).append("\r\n");
}

struct row {
  std::string_view text;
  errc code;
};

constexpr std::array first_words{
  row{"LOADING", errc::unavailable},
  row{"MASTERDOWN", errc::unavailable},
  row{"CLUSTERDOWN", errc::unavailable},
  row{"TRYAGAIN", errc::unavailable},
  row{"BUSY", errc::unavailable},
  row{"READONLY", errc::read_only},
  row{"MISCONF", errc::read_only},
  row{"NOREPLICAS", errc::read_only},
  row{"OOM", errc::no_space},
  row{"NOAUTH", errc::auth_failed},
  row{"WRONGPASS", errc::auth_failed},
  row{"NOPERM", errc::auth_failed},
  row{"DENIED", errc::auth_failed},
  row{"MOVED", errc::invalid_argument},
  row{"ASK", errc::invalid_argument},
};

/// Errors that begin with a bare "ERR" and are told apart by their text.
constexpr std::array phrases{
  row{"max number of clients", errc::overloaded},
  row{"DB index", errc::invalid_argument},
  row{"AUTH", errc::auth_failed},
};

errc by_first_word(std::string_view text) noexcept {
  auto word = text.substr(0, text.find(' '));
  for (auto& x : first_words)
    if (x.text == word)
      return x.code;
  return errc::none;
}

errc meaning_of(std::string_view text) noexcept {
  if (auto code = by_first_word(text); code != errc::none)
    return code;
  // Before version 7, an error inside a script is quoted in another one:
  // "ERR Error running script (...): @user_script: 9: -OOM command not ...".
  if (auto at = text.find(": -"); at != text.npos)
    if (auto code = by_first_word(text.substr(at + 3)); code != errc::none)
      return code;
  for (auto& x : phrases)
    if (text.find(x.text) != text.npos)
      return x.code;
  return errc::protocol_violation;
}

} // namespace

void append_redis_argument(std::string& out, std::string_view x) {
  append_count(out, '$', x.size());
  out.append(x).append("\r\n");
}

void redis_pipeline::begin(std::size_t arguments) {
  append_count(bytes, '*', arguments);
  ++commands;
}

void redis_pipeline::add(std::initializer_list<std::string_view> arguments) {
  begin(arguments.size());
  for (auto x : arguments)
    append_redis_argument(bytes, x);
}

failure translate_redis_error(std::string_view text) {
  return {meaning_of(text), std::string{text}};
}

} // namespace terrace
