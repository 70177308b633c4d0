/// Sizes and durations as people write them. A quantity is digits and a unit
/// without a space, sign or fraction: "256MiB", "100ms". Units are
/// case-sensitive, because "mb" means mebibytes to Redis and megabytes to
/// everybody else.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace terrace {

/// Bytes of "4096", "4096B", "512KiB", "256MiB", "1GiB", "2TiB" (powers of
/// 1024) or "100KB", "100MB", "1GB", "1TB" (powers of 1000). Nothing if `text`
/// is anything else or does not fit into 64 bits.
std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;

/// Duration of "100ms", "5s", "10m", "1h", "7d" or "0"; any other number needs
/// a unit. Nothing if `text` is anything else or does not fit into 63 bits of
/// milliseconds.
std::optional<std::chrono::milliseconds>
parse_duration(std::string_view text) noexcept;

/// `bytes` in the unit that needs the smallest whole number: 268435456 is
/// "256MiB", 100000000 is "100MB", 1000001 is "1000001B", zero is "0".
/// `parse_size` gives the same number back.
std::string format_size(std::uint64_t bytes);

/// `x` in the unit that needs the smallest whole number: "90s", "1d", "0".
/// `parse_duration` gives the same duration back, unless it is negative.
std::string format_duration(std::chrono::milliseconds x);

/// Digits alone, without sign or space. Nothing if `text` is anything else or
/// does not fit into 63 bits.
std::optional<std::int64_t> parse_count(std::string_view text) noexcept;

} // namespace terrace
