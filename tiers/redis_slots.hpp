/// The slot of a key in a Redis Cluster. Source: redis.io, "Redis cluster
/// specification", key distribution model and hash tags.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace terrace {

/// Slots of every cluster.
inline constexpr std::size_t redis_slot_count = 16384;

/// CRC-16/XMODEM: polynomial 0x1021, begins with zero, nothing reflected.
std::uint16_t crc16(std::string_view bytes) noexcept;

/// The slot of the key called `name`. If a pair of braces encloses something,
/// only what stands in the first such pair counts, so that clients can keep
/// keys together.
std::uint16_t redis_slot_of(std::string_view name) noexcept;

} // namespace terrace
