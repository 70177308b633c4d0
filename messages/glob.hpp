/// Glob patterns as Redis' KEYS understands them.
#pragma once

#include <string_view>

namespace terrace {

/// True if `text` matches `pattern`: `?` one byte, `*` any run of bytes,
/// `[abc]`, `[a-z]`, `[^x]` one byte of a set, `\x` the byte x itself.
/// Byte-wise and case-sensitive. Runs in O(pattern * text) at worst, without
/// recursion: a hostile pattern cannot blow up. Source: redis.io, command KEYS.
bool glob_match(std::string_view pattern, std::string_view text) noexcept;

/// The bytes before the first special character of `pattern`, i.e. what every
/// match begins with. May be empty. A backslash ends the literal part.
std::string_view glob_literal_prefix(std::string_view pattern) noexcept;

} // namespace terrace
