/// Options by name, and as text: for flags, for CONFIG GET, for --print-config.
#pragma once

#include "config/option_check.hpp"
#include "config/options.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// All names, e.g. "redis.url", in the order of options.hpp.
std::vector<std::string_view> option_names();

/// The value as plain text, e.g. "256MiB"; nothing if there is no such option.
/// Passwords are hidden unless asked for.
std::optional<std::string> option_value(const options& x, std::string_view name,
                                        secrets how = secrets::hide);

/// Sets one option from plain text, see `from_text`. Returns nothing on
/// success. Otherwise leaves `x` as it was and returns what is wrong, in one
/// line: `expected an integer from 1 to 65535, got "x"`. Rules that concern
/// several options are left to `validate`.
std::optional<std::string> set_option(options& x, std::string_view name,
                                      std::string_view text);

/// Whether an option can be changed while the node runs.
bool is_live_option(std::string_view name);

/// All options as TOML with a comment each. With `secrets::show` the text
/// parses back to options equal to `x`, provided that `x` is valid.
std::string print_options(const options& x, secrets how = secrets::hide);

/// A broken rule.
struct config_problem {
  /// The options that the rule concerns; the first one is to blame by default.
  std::vector<std::string_view> concerns;
  /// One line: "expected at most redis.b (1KiB), got 2KiB".
  std::string text;
};

/// Checks every option and the rules across options. Empty: all is well.
std::vector<config_problem> validate(const options& x);

} // namespace terrace
