/// How the codec compresses values: zstd, alone or with a dictionary. For
/// tiers/codec.cpp and what trains dictionaries.
#pragma once

#include "messages/blob.hpp"
#include "messages/expected.hpp"
#include "tiers/dictionary.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace terrace {

/// Appends the compressed form of `value` to `out` if that is at least a
/// sixteenth smaller, and `extra` bytes on top. zstd gives up as soon as it
/// runs out of that room, so that an incompressible value is cheap. `with`:
/// null for none. The frames differ: one with a dictionary has no magic number,
/// no size of the content and no id, all of which a record has already. False:
/// there was no gain or no memory, and `out` is as before. Throws
/// `std::bad_alloc`.
bool zstd_append(std::string& out, std::string_view value, int level,
                 const dictionary* with = nullptr, std::size_t extra = 0);

/// Undoes it, for a value of `size` bytes. Fails with `corrupt`, `no_space`.
/// Throws `std::bad_alloc`.
expected<blob> zstd_inflate(std::string_view bytes, std::size_t size,
                            const dictionary* with = nullptr);

} // namespace terrace
