/// XXH3-64 over parts that need not be joined in memory first.
///
/// The library that distributions ship is built for the oldest x86-64 machines
/// and takes some 1500 instructions for a kilobyte. Reading a record back is
/// mostly that, so the same code is compiled here a second time, for machines
/// with AVX2, and chosen when the program starts. The result is the same.
///
/// Source: xxhash.h 0.8 (XXH3, XXH_INLINE_ALL).
#pragma once

#include <cstdint>
#include <string_view>

namespace terrace {

/// XXH3-64 of `a`, `b` and `c`, one after the other.
std::uint64_t checksum(std::string_view a, std::string_view b,
                       std::string_view c) noexcept;

} // namespace terrace
