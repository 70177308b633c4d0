/// The one table of all options. Loader, printer, checker, environment and
/// flags are driven by it: an option is a member in options.hpp, an entry in
/// option_table.cpp and a paragraph in terrace.toml; a test compares them.
#pragma once

#include "config/options.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace terrace {

/// How an option is written and what its bounds count.
enum class option_kind : std::uint8_t {
  boolean,  ///< true or false
  integer,  ///< bounds: the number
  size,     ///< bounds: bytes
  duration, ///< bounds: milliseconds
  text,     ///< bounds: bytes of UTF-8
  list,     ///< different names out of `choices`, at least one
  map,      ///< names out of `keys`, values out of `choices`
};

/// The value of any option. Integers, sizes (in bytes) and durations (in
/// milliseconds) are all `int64_t`.
using option_data
  = std::variant<bool, std::int64_t, std::string, std::vector<std::string>,
                 std::map<std::string, std::string>>;

struct option_info {
  /// Table and key, e.g. "redis.url".
  std::string_view name;
  /// One sentence for `print_options`; terrace.toml says more.
  std::string_view doc;
  option_kind kind = option_kind::text;
  /// Inclusive bounds; see `option_kind` for what they count.
  std::int64_t min = 0;
  std::int64_t max = 0;
  /// Values that are allowed; empty: all.
  std::span<const std::string_view> choices;
  /// Keys that are allowed in a map.
  std::span<const std::string_view> keys;
  /// A further condition that `expects` describes; null: none.
  bool (*condition)(const option_data&) = nullptr;
  std::string_view expects;
  /// Shortens a value that users and logs may not see; null: nothing to hide.
  std::string (*mask)(std::string_view) = nullptr;
  /// Whether it can be changed while the node runs.
  bool live = false;
  option_data (*get)(const options&) = nullptr;
  /// Stores a value that `accepts` has accepted.
  void (*set)(options&, const option_data&) = nullptr;

  std::string_view table() const noexcept {
    return name.substr(0, name.find('.'));
  }

  std::string_view key() const noexcept {
    return name.substr(name.find('.') + 1);
  }
};

/// All options in the order of options.hpp; those of a table are neighbours.
std::span<const option_info> option_table() noexcept;

/// The option called `name`, e.g. "redis.url"; null if there is none.
const option_info* find_option(std::string_view name) noexcept;

} // namespace terrace
