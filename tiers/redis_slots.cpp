#include "tiers/redis_slots.hpp"

#include <array>

namespace terrace {

namespace {

constexpr auto crc_table = [] {
  std::array<std::uint16_t, 256> result{};
  for (unsigned i = 0; i < 256; ++i) {
    unsigned x = i << 8;
    for (int bit = 0; bit < 8; ++bit)
      x = (x & 0x8000) != 0 ? (x << 1) ^ 0x1021 : x << 1;
    result[i] = static_cast<std::uint16_t>(x);
  }
  return result;
}();

} // namespace

std::uint16_t crc16(std::string_view bytes) noexcept {
  unsigned result = 0;
  for (auto c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    result = (result << 8 & 0xff00) ^ crc_table[(result >> 8 ^ byte) & 0xff];
  }
  return static_cast<std::uint16_t>(result);
}

std::uint16_t redis_slot_of(std::string_view name) noexcept {
  if (auto open = name.find('{'); open != name.npos) {
    auto close = name.find('}', open + 1);
    if (close != name.npos && close > open + 1)
      name = name.substr(open + 1, close - open - 1);
  }
  return crc16(name) % redis_slot_count;
}

} // namespace terrace
