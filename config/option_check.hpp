/// Values of single options: whether they are within bounds, and how they are
/// written in TOML and as plain text.
#pragma once

#include "config/option_table.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace terrace {

/// Whether passwords are written out or replaced by "***".
enum class secrets : bool { hide, show };

/// True if `x` has the type that belongs to the option and is within all of its
/// bounds.
bool accepts(const option_info& info, const option_data& x);

/// What `accepts` wants, in words: "an integer from 1 to 65535".
std::string expectation(const option_info& info);

/// `x` as TOML on one line: `true`, `7379`, `"256MiB"`, `["memory", "disk"]`.
std::string to_toml(const option_info& info, const option_data& x, secrets how);

/// `x` as plain text: `true`, `7379`, `256MiB`, `memory,disk`,
/// `disk=info,redis=debug`. `from_text` reads it back.
std::string to_text(const option_info& info, const option_data& x, secrets how);

/// Reads plain text as environment and command line have it. Booleans may also
/// be 1/0, yes/no, on/off in any case. Nothing if `text` does not have the form
/// of the option; bounds are not checked.
std::optional<option_data> from_text(const option_info& info,
                                     std::string_view text);

/// `; did you mean "redis.url"?` if an option's name is close to `name`, else
/// the empty string.
std::string suggestion(std::string_view name);

} // namespace terrace
