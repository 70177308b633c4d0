/// Reads a configuration in layers: files first, then the environment, then the
/// command line. A later layer wins. Rules that concern several options are
/// checked once, at the end, so that one layer may complete another.
#pragma once

#include "config/options.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace terrace {

/// Options that passed every check, or the lines that say why there are none.
/// Reading the wrong side throws `std::bad_variant_access`.
class [[nodiscard]] config_result {
public:
  config_result(options x) : x_(std::move(x)) {
    // nop
  }

  /// `errors` must not be empty.
  config_result(std::vector<std::string> errors) : x_(std::move(errors)) {
    // nop
  }

  explicit operator bool() const noexcept {
    return x_.index() == 0;
  }

  const options& operator*() const& {
    return std::get<0>(x_);
  }

  options operator*() && {
    return std::get<0>(std::move(x_));
  }

  const options* operator->() const {
    return &std::get<0>(x_);
  }

  /// At least one, one line each without a line feed, passwords hidden:
  /// "node.toml:3:8: resp.port: expected an integer from 1 to 65535, got 0".
  const std::vector<std::string>& errors() const& {
    return std::get<1>(x_);
  }

  std::vector<std::string> errors() && {
    return std::get<1>(std::move(x_));
  }

private:
  std::variant<options, std::vector<std::string>> x_;
};

/// Like `std::getenv`: null if there is no such variable.
using getenv_fn = std::function<const char*(const char*)>;

class config_reader {
public:
  // -- layers -----------------------------------------------------------------

  /// Adds a TOML file. A file that cannot be read is an error.
  void add_file(const std::string& path);

  /// Adds TOML text; `name` stands in front of its error lines. Strict: unknown
  /// tables, unknown keys and wrong types are errors.
  void add_text(std::string_view text, const std::string& name);

  /// Adds the environment. Every option has a variable, TERRACE_<TABLE>_<KEY>,
  /// e.g. TERRACE_RESP_PORT. Besides there are the names that cache libraries
  /// share: REDIS_URL (which enables Redis), CACHE_TTL_DEFAULT and CACHE_L1_*,
  /// CACHE_L2_*, CACHE_L3_*, CACHE_COMPRESSION_*; they take a duration also as
  /// a bare number of seconds. Sizes are bytes or have a unit. TERRACE_* wins
  /// over the shared names. A variable that is empty counts as not set.
  /// Unknown variables are not noticed: a name cannot be asked for unless it
  /// is known.
  void add_environment(const getenv_fn& env);

  /// Sets one option from plain text, e.g. "resp.port" to "7400". `where`, e.g.
  /// "command line", stands in front of the error line.
  void add_value(std::string_view option, std::string_view text,
                 const std::string& where);

  // -- result -----------------------------------------------------------------

  /// The options, or all errors of all layers, in the order of the layers. The
  /// rules across options are checked if every single option is right.
  config_result finish() const;

private:
  /// Returns whether the variable was set and right.
  bool add_variable(const getenv_fn& env, const std::string& variable,
                    std::string_view option, bool bare_seconds);

  options options_;

  std::vector<std::string> errors_;

  /// Where each option that was set has its value from: what stands in front of
  /// an error line.
  std::map<std::string, std::string, std::less<>> origins_;
};

/// Reads one file and nothing else.
config_result load_options(const std::string& path);

/// Reads TOML text; `name` stands for the file in error lines.
config_result parse_options(std::string_view text, const std::string& name);

} // namespace terrace
