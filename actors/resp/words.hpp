/// Integers and words as Redis reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace terrace::resp {

/// A decimal of 64 bits without plus sign, blanks, leading zeros or "-0";
/// nothing if `text` is anything else. Source: string2ll of Redis 7.
inline std::optional<std::int64_t> parse_integer(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  auto digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || digits.size() > 19)
    return std::nullopt;
  if (digits[0] == '0' && text.size() > 1)
    return std::nullopt;
  std::uint64_t x = 0;
  for (auto c : digits) {
    if (c < '0' || c > '9')
      return std::nullopt;
    x = x * 10 + static_cast<std::uint64_t>(c - '0');
  }
  // Nineteen digits fit into 64 bits without sign.
  constexpr auto most = static_cast<std::uint64_t>(INT64_MAX);
  if (x > most + (negative ? 1 : 0))
    return std::nullopt;
  return static_cast<std::int64_t>(negative ? 0 - x : x);
}

/// True if `x` is `word`, which is in lower case, in any case.
inline bool same_word(std::string_view x, std::string_view word) noexcept {
  if (x.size() != word.size())
    return false;
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto c = x[i] >= 'A' && x[i] <= 'Z' ? static_cast<char>(x[i] + 32) : x[i];
    if (c != word[i])
      return false;
  }
  return true;
}

/// `x` with the letters A to Z in lower case.
inline std::string lower_case(std::string_view x) {
  std::string result{x};
  for (auto& c : result)
    c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return result;
}

} // namespace terrace::resp
