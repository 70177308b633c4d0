/// The hash that places a key in L1.
#pragma once

#include <cstdint>
#include <string_view>

namespace terrace {

/// Seeded XXH3-64: whoever does not know the seed cannot choose keys that
/// collide.
std::uint64_t key_hash(std::string_view key, std::uint64_t seed) noexcept;

} // namespace terrace
