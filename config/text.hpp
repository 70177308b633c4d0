/// Text helpers of this room.
#pragma once

#include <string>
#include <string_view>

namespace terrace {

/// True if `text` is UTF-8 (RFC 3629) without ASCII control characters.
bool is_printable(std::string_view text) noexcept;

/// `text` as a TOML string, with quotes; always one line.
std::string quote(std::string_view text);

/// `text`, shortened to what fits into an error line.
std::string clip(std::string text);

/// Insertions, deletions and replacements of bytes that turn `x` into `y`.
/// Takes O(x * y) time. Source: Levenshtein, 1966.
std::size_t edit_distance(std::string_view x, std::string_view y);

} // namespace terrace
