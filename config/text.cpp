#include "config/text.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace terrace {

namespace {

// Length of the UTF-8 sequence that starts `text`, zero if it is malformed.
// Overlong forms and surrogates count as malformed. Source: RFC 3629.
std::size_t utf8_sequence(std::string_view text) noexcept {
  auto byte = [&](std::size_t i) -> unsigned char {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  auto first = byte(0);
  if (first < 0x80)
    return 1;
  std::size_t size = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    size = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    size = 3;
    low = first == 0xe0 ? 0xa0 : low;
    high = first == 0xed ? 0x9f : high;
  } else if (first >= 0xf0 && first <= 0xf4) {
    size = 4;
    low = first == 0xf0 ? 0x90 : low;
    high = first == 0xf4 ? 0x8f : high;
  }
  for (std::size_t i = 1; i < size; ++i) {
    if (byte(i) < low || byte(i) > high)
      return 0;
    low = 0x80;
    high = 0xbf;
  }
  return size;
}

} // namespace

bool is_printable(std::string_view text) noexcept {
  while (!text.empty()) {
    auto size = utf8_sequence(text);
    auto first = static_cast<unsigned char>(text.front());
    if (size == 0 || first < 0x20 || first == 0x7f)
      return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string quote(std::string_view text) {
  constexpr auto hex = "0123456789ABCDEF";
  std::string result = "\"";
  for (auto c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      result += "\\u00";
      result += hex[byte >> 4];
      result += hex[byte & 15];
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string clip(std::string text) {
  constexpr std::size_t max = 80;
  if (text.size() <= max)
    return text;
  auto end = max;
  // Do not cut a UTF-8 sequence in two.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  text.resize(end);
  return text + "...";
}

std::size_t edit_distance(std::string_view x, std::string_view y) {
  std::vector<std::size_t> row(y.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < y.size(); ++j) {
      auto replaced = diagonal + (x[i] == y[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

} // namespace terrace
