#include "actors/resp/inline_args.hpp"

#include <cctype>
#include <optional>
#include <utility>

namespace terrace::resp {

namespace {

constexpr std::size_t padding = 2;

bool blank(char c) noexcept {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

std::optional<int> hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return std::nullopt;
}

char control(char c) noexcept {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

/// Reads what follows a backslash inside double quotes; `i` is on the backslash
/// and ends behind the sequence.
char unescape(std::string_view line, std::size_t& i) {
  if (i + 3 < line.size() && line[i + 1] == 'x') {
    auto high = hex_digit(line[i + 2]);
    auto low = hex_digit(line[i + 3]);
    if (high && low) {
      i += 4;
      return static_cast<char>(*high * 16 + *low);
    }
  }
  i += 2;
  return control(line[i - 1]);
}

/// Reads a quoted part; `i` is behind the opening quote and ends behind the
/// closing one.
bool read_quoted(std::string_view line, std::size_t& i, char quote,
                 std::string& out) {
  while (i < line.size()) {
    auto c = line[i];
    if (c == quote) {
      ++i;
      return i == line.size() || blank(line[i]);
    }
    const bool more = i + 1 < line.size();
    if (c == '\\' && more && quote == '"') {
      out += unescape(line, i);
    } else if (c == '\\' && more && line[i + 1] == '\'') {
      out += '\'';
      i += 2;
    } else {
      out += c;
      ++i;
    }
  }
  return false;
}

} // namespace

bool split_inline(std::string_view line, std::string& arena,
                  std::vector<std::string_view>& args) {
  arena.clear();
  std::vector<std::pair<std::size_t, std::size_t>> found;
  for (std::size_t i = 0;;) {
    while (i < line.size() && blank(line[i]))
      ++i;
    if (i == line.size())
      break;
    arena.append(padding, ' ');
    auto first = arena.size();
    while (i < line.size() && !blank(line[i])) {
      auto c = line[i++];
      if (c != '"' && c != '\'')
        arena += c;
      else if (!read_quoted(line, i, c, arena))
        return false;
    }
    found.emplace_back(first, arena.size() - first);
  }
  // Only now has the arena stopped moving.
  for (auto& [first, size] : found)
    args.emplace_back(arena.data() + first, size);
  return true;
}

} // namespace terrace::resp
