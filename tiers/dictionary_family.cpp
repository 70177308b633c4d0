#include "tiers/dictionary_family.hpp"

#include "messages/key.hpp"

#include <xxhash.h>

#include <charconv>
#include <cstring>

namespace terrace {

namespace {

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool separates(char c) noexcept {
  return c == ':' || c == '/' || c == '.' || c == '|';
}

/// "v2", "v10"
bool is_version(std::string_view x) noexcept {
  return (x.size() == 2 || x.size() == 3) && x[0] == 'v' && is_digit(x[1])
         && is_digit(x.back());
}

bool is_common(std::string_view x, std::size_t longest) noexcept {
  if (x.empty() || x.size() > longest)
    return false;
  for (auto c : x)
    if (!is_letter(c) && c != '-' && c != '_')
      return is_version(x);
  return true;
}

} // namespace

dictionary_family::dictionary_family(std::string_view key) noexcept {
  if (is_qualified(key)) {
    char digits[5];
    auto end = std::to_chars(digits, digits + sizeof(digits), tenant_of(key));
    append({digits, static_cast<std::size_t>(end.ptr - digits)});
    auto rest = user_key(key);
    char before = ':';
    for (std::size_t i = 0; i < most_pieces; ++i) {
      std::size_t n = 0;
      while (n < rest.size() && !separates(rest[n]))
        ++n;
      auto piece = rest.substr(0, n);
      append({&before, 1});
      append(is_common(piece, longest_piece) ? piece : "*");
      if (n == rest.size())
        break;
      before = rest[n];
      rest.remove_prefix(n + 1);
    }
  } else {
    append("*");
  }
  hash_ = hash_of(name());
}

std::uint64_t dictionary_family::hash_of(std::string_view name) noexcept {
  return XXH3_64bits(name.data(), name.size());
}

void dictionary_family::append(std::string_view x) noexcept {
  std::memcpy(text_ + size_, x.data(), x.size());
  size_ = static_cast<std::uint8_t>(size_ + x.size());
}

} // namespace terrace
