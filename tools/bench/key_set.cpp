#include "tools/bench/key_set.hpp"

#include "config/quantity.hpp"

#include <algorithm>

namespace terrace::bench {

namespace {

constexpr std::string_view text_kind = "string";
constexpr std::size_t min_length = 16;
constexpr std::size_t max_length = 250;

} // namespace

std::optional<key_kind> key_kind::parse(std::string_view text) {
  if (text == "int")
    return key_kind{true};
  if (!text.starts_with(text_kind))
    return std::nullopt;
  auto n = parse_count(text.substr(text_kind.size()));
  if (!n || *n < std::int64_t{min_length} || *n > std::int64_t{max_length})
    return std::nullopt;
  return key_kind{false, static_cast<std::size_t>(*n)};
}

std::string key_kind::str() const {
  return integer ? "int" : std::string{text_kind} + std::to_string(length);
}

key_set::key_set(std::size_t n, key_kind kind)
  : key_size_(kind.size()), bytes_(n * key_size_, '0') {
  for (std::size_t i = 0; i < n; ++i) {
    auto* key = bytes_.data() + i * key_size_;
    if (kind.integer) {
      for (unsigned k = 0; k < sizeof(std::uint64_t); ++k)
        key[k] = static_cast<char>(std::uint64_t{i} >> (56 - 8 * k));
      continue;
    }
    // "key:000…00017"
    constexpr std::string_view prefix = "key:";
    auto digits = std::to_string(i);
    std::copy(prefix.begin(), prefix.end(), key);
    std::copy(digits.begin(), digits.end(), key + key_size_ - digits.size());
  }
}

} // namespace terrace::bench
