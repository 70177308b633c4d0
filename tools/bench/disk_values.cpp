#include "tools/bench/disk_values.hpp"

#include <cstring>
#include <random>

namespace terrace::bench {

namespace {

/// Different bodies: more than a compressor's window holds of the usual sizes.
constexpr std::size_t bodies = 4096;

std::string noise_body(std::size_t size, std::mt19937_64& random) {
  std::string result(size, '\0');
  for (auto& x : result)
    x = static_cast<char>(random());
  return result;
}

std::string_view word(std::mt19937_64& random) {
  static constexpr std::string_view words[]
    = {"linen", "oak",   "copper", "red",   "winter", "garden", "lamp",
       "small", "chair", "round",  "glass", "kettle", "north",  "wool",
       "quiet", "paper", "stone",  "blue",  "basket", "morning"};
  return words[random() % std::size(words)];
}

/// The rest of a record that begins with `{"id":"`, of about `size` bytes; a
/// description in words makes up for what is missing.
std::string json_body(std::size_t size, std::mt19937_64& random) {
  auto number = [&](std::uint64_t below) {
    return std::to_string(random() % below);
  };
  std::string result = "\",\"sku\":\"" + number(100'000'000'000)
                       + "\",\"price\":" + number(100'000)
                       + ",\"stock\":" + number(500)
                       + ",\"active\":" + (random() % 8 ? "true" : "false");
  auto add = [&](std::string_view more) {
    if (result.size() + more.size() + 2 <= size)
      result += more;
  };
  add(",\"updated\":\"2024-0" + std::to_string(1 + random() % 9) + "-1"
      + number(10) + "T1" + number(10) + ":2" + number(10) + ":00Z\"");
  add(",\"name\":\"" + std::string{word(random)} + ' '
      + std::string{word(random)} + '"');
  add(",\"seller\":{\"id\":" + number(1'000'000) + ",\"rating\":4." + number(10)
      + "}");
  if (result.size() + 16 < size) {
    result += ",\"text\":\"";
    while (result.size() + 2 < size) {
      auto next = random() % 6 == 0 ? number(1'000'000)
                                    : std::string{word(random)};
      next += ' ';
      result += next.substr(0, size - 2 - result.size());
    }
    result += '"';
  }
  result.resize(size - 1, ' ');
  return result + '}';
}

} // namespace

disk_values::disk_values(std::size_t count, std::size_t value_size,
                         disk_content content)
  : count_(count) {
  if (content == disk_content::json)
    head_ = "{\"id\":\"";
  auto size = value_size - head_.size() - digits;
  std::mt19937_64 random{1};
  for (std::size_t i = 0; i < bodies; ++i)
    bodies_.push_back(content == disk_content::json ? json_body(size, random)
                                                    : noise_body(size, random));
}

std::string disk_values::qualified_key(std::size_t i) const {
  auto number = number_of(i);
  std::string_view text{number.data(), number.size()};
  auto name = [&](std::string_view before, std::string_view middle,
                  std::string_view after) {
    auto result = tenant_prefix(0);
    result.append(before).append(middle).append(after);
    return result;
  };
  auto low = text.substr(digits / 2);
  switch (i % 4) {
    case 0:
      return name("user:", low, ":profile");
    case 1:
      return name("session:", text, "");
    case 2:
      return name("product:", low, ":price:eur");
    default:
      return name("page:/shop/item/", low, "");
  }
}

/// The lower half is the number multiplied by an odd one, which scatters it
/// and keeps numbers below 2^32 different.
disk_values::number_text disk_values::number_of(std::size_t i) noexcept {
  auto low = static_cast<std::uint32_t>(i) * 2654435761u;
  auto x = std::uint64_t{i} * 0x9E3779B97F4A7C15u >> 32 << 32 | low;
  number_text result;
  for (std::size_t k = digits; k-- > 0; x >>= 4)
    result[k] = "0123456789abcdef"[x & 15];
  return result;
}

blob disk_values::make(std::size_t i) const {
  auto number = number_of(i);
  auto body = body_of(i);
  return blob::build(head_.size() + digits + body.size(), [&](char* out) {
    std::memcpy(out, head_.data(), head_.size());
    out += head_.size();
    std::memcpy(out, number.data(), digits);
    std::memcpy(out + digits, body.data(), body.size());
  });
}

bool disk_values::is_value_of(std::size_t i,
                              std::string_view x) const noexcept {
  return looks_right(i, x) && x.starts_with(head_) && x.ends_with(body_of(i));
}

bool disk_values::looks_right(std::size_t i,
                              std::string_view x) const noexcept {
  auto number = number_of(i);
  return x.size() == head_.size() + digits + body_of(i).size()
         && std::memcmp(x.data() + head_.size(), number.data(), digits) == 0;
}

} // namespace terrace::bench
