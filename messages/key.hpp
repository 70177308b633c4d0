/// Qualified keys. Inside Terrace a key is one byte string: two bytes of tenant
/// (big endian) followed by the user's key. One string means one hash, one
/// comparison, and that the entries of a tenant are neighbours wherever keys
/// are ordered. Users never see the two bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

using tenant_id = std::uint16_t;
using keys = std::vector<std::string>;

inline constexpr std::size_t tenant_prefix_size = 2;

/// The two bytes in front of every key of `tenant`.
inline std::string tenant_prefix(tenant_id tenant) {
  return {static_cast<char>(tenant >> 8), static_cast<char>(tenant & 0xff)};
}

inline std::string qualify(tenant_id tenant, std::string_view user_key) {
  std::string result;
  result.reserve(tenant_prefix_size + user_key.size());
  result += static_cast<char>(tenant >> 8);
  result += static_cast<char>(tenant & 0xff);
  result += user_key;
  return result;
}

/// True if `key` is long enough to carry a tenant. Messages from outside are
/// checked with this before the accessors below are used.
inline bool is_qualified(std::string_view key) noexcept {
  return key.size() >= tenant_prefix_size;
}

inline tenant_id tenant_of(std::string_view key) noexcept {
  return static_cast<tenant_id>(static_cast<unsigned char>(key[0]) << 8
                                | static_cast<unsigned char>(key[1]));
}

inline std::string_view user_key(std::string_view key) noexcept {
  return key.substr(tenant_prefix_size);
}

} // namespace terrace
