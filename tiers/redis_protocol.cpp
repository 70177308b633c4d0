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
  std::string_view name; ///< in figures
};

constexpr std::array first_words{
  row{"LOADING", errc::unavailable, "loading"},
  row{"MASTERDOWN", errc::unavailable, "masterdown"},
  row{"CLUSTERDOWN", errc::unavailable, "clusterdown"},
  row{"TRYAGAIN", errc::unavailable, "tryagain"},
  row{"BUSY", errc::unavailable, "busy"},
  row{"NOSCRIPT", errc::unavailable, "noscript"},
  row{"READONLY", errc::read_only, "readonly"},
  row{"MISCONF", errc::read_only, "misconf"},
  row{"NOREPLICAS", errc::read_only, "noreplicas"},
  row{"OOM", errc::no_space, "oom"},
  row{"NOAUTH", errc::auth_failed, "noauth"},
  row{"WRONGPASS", errc::auth_failed, "wrongpass"},
  row{"NOPERM", errc::auth_failed, "noperm"},
  row{"DENIED", errc::auth_failed, "denied"},
  row{"MOVED", errc::invalid_argument, "moved"},
  row{"ASK", errc::invalid_argument, "ask"},
};

/// Errors that begin with a bare "ERR" and are told apart by their text.
constexpr std::array phrases{
  row{"max number of clients", errc::overloaded, "max_clients"},
  row{"DB index", errc::invalid_argument, "db_index"},
  row{"AUTH", errc::auth_failed, "auth"},
};

constexpr row other{"", errc::protocol_violation, "other"};

static_assert(first_words.size() + phrases.size() + 1 == redis_error_kinds);

const row* by_first_word(std::string_view text) noexcept {
  auto word = text.substr(0, text.find(' '));
  for (auto& x : first_words)
    if (x.text == word)
      return &x;
  return nullptr;
}

const row& row_of(std::string_view text) noexcept {
  if (auto* x = by_first_word(text))
    return *x;
  // Before version 7, an error inside a script is quoted in another one:
  // "ERR Error running script (...): @user_script: 9: -OOM command not ...".
  if (auto at = text.find(": -"); at != text.npos)
    if (auto* x = by_first_word(text.substr(at + 3)))
      return *x;
  for (auto& x : phrases)
    if (text.find(x.text) != text.npos)
      return x;
  return other;
}

const row& row_at(std::size_t kind) noexcept {
  if (kind < first_words.size())
    return first_words[kind];
  kind -= first_words.size();
  return kind < phrases.size() ? phrases[kind] : other;
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
  return {row_of(text).code, std::string{text}};
}

std::size_t redis_error_kind(std::string_view text) noexcept {
  auto* x = &row_of(text);
  std::size_t result = 0;
  while (&row_at(result) != x)
    ++result;
  return result;
}

std::string_view redis_error_name(std::size_t kind) noexcept {
  return row_at(kind).name;
}

} // namespace terrace
