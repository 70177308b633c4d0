#include "messages/glob.hpp"

#include <utility>

namespace terrace {

namespace {

/// Matches one byte against the element at the front of `pattern` and says in
/// `used` how long that element is. `*` is handled by the caller.
bool match_one(std::string_view pattern, unsigned char c,
               std::size_t& used) noexcept {
  switch (pattern[0]) {
    case '?':
      used = 1;
      return true;
    case '\\':
      if (pattern.size() > 1) {
        used = 2;
        return static_cast<unsigned char>(pattern[1]) == c;
      }
      used = 1;
      return c == '\\';
    case '[': {
      std::size_t i = 1;
      const bool negate = i < pattern.size() && pattern[i] == '^';
      if (negate)
        ++i;
      bool hit = false;
      while (i < pattern.size() && pattern[i] != ']') {
        if (pattern[i] == '\\' && i + 1 < pattern.size()) {
          hit |= static_cast<unsigned char>(pattern[i + 1]) == c;
          i += 2;
        } else if (i + 2 < pattern.size() && pattern[i + 1] == '-') {
          auto lo = static_cast<unsigned char>(pattern[i]);
          auto hi = static_cast<unsigned char>(pattern[i + 2]);
          if (lo > hi)
            std::swap(lo, hi);
          hit |= lo <= c && c <= hi;
          i += 3;
        } else {
          hit |= static_cast<unsigned char>(pattern[i]) == c;
          ++i;
        }
      }
      // An unclosed set ends with the pattern, as in Redis.
      used = i < pattern.size() ? i + 1 : i;
      return hit != negate;
    }
    default:
      used = 1;
      return static_cast<unsigned char>(pattern[0]) == c;
  }
}

} // namespace

bool glob_match(std::string_view pattern, std::string_view text) noexcept {
  // Greedy with one point of return: only the latest `*` can matter, because
  // whatever an earlier one could take, the latest one can take as well.
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    std::size_t used = 0;
    if (p < pattern.size()
        && match_one(pattern.substr(p), static_cast<unsigned char>(text[t]),
                     used)) {
      p += used;
      ++t;
      continue;
    }
    if (star == std::string_view::npos)
      return false;
    p = star;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*')
    ++p;
  return p == pattern.size();
}

std::string_view glob_literal_prefix(std::string_view pattern) noexcept {
  return pattern.substr(0, pattern.find_first_of("*?[\\"));
}

} // namespace terrace
