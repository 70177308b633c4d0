/// Every error Terrace reports, one sentence each. Absence of a key is a value
/// (a miss) and has no code here. CAF-free, so that the engines can use it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace terrace {

enum class errc : std::uint8_t {
  none = 0,
  timeout,
  unavailable,
  breaker_open,
  overloaded,
  too_large,
  corrupt,
  unsupported_format,
  no_space,
  read_only,
  io_failure,
  in_use,
  invalid_argument,
  protocol_violation,
  auth_failed,
  loader_failed,
  shutting_down,
};

/// Number of codes; they are contiguous from zero.
inline constexpr std::size_t errc_count
  = static_cast<std::size_t>(errc::shutting_down) + 1;

/// Identifier of the code as written in metrics and JSON, e.g. "breaker_open".
std::string_view to_string(errc x) noexcept;

/// One English sentence that tells an operator what happened.
std::string_view sentence(errc x) noexcept;

/// An error with the native text that explains it. `detail` may be empty.
struct failure {
  errc code = errc::none;
  std::string detail;

  explicit operator bool() const noexcept {
    return code != errc::none;
  }

  friend bool operator==(const failure&, const failure&) = default;
};

/// "sentence" or "sentence (detail)", for logs and for users.
std::string to_string(const failure& x);

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, failure& x) {
  return f(x.code, x.detail);
}

} // namespace terrace
