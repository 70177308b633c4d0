#include "messages/errc.hpp"

#include <array>

namespace terrace {

namespace {

struct row {
  std::string_view name;
  std::string_view sentence;
};

constexpr std::array<row, errc_count> rows{{
  {"none", "No error."},
  {"timeout", "The operation did not finish within its time limit."},
  {"unavailable", "The tier or server cannot be reached."},
  {"breaker_open", "The tier is skipped because its circuit breaker is open."},
  {"overloaded", "A limit on queued work is reached; try again later."},
  {"too_large", "The key or value is larger than the configured limit."},
  {"corrupt", "The stored bytes do not match their checksum."},
  {"unsupported_format", "The stored bytes were written in an unknown format."},
  {"no_space", "The device or memory that holds the tier is full."},
  {"read_only", "The storage cannot be written to."},
  {"io_failure", "Reading or writing the storage failed."},
  {"in_use", "The resource is held by another process."},
  {"invalid_argument", "An argument is outside what the operation accepts."},
  {"protocol_violation", "The other side sent bytes that break the protocol."},
  {"auth_failed", "The server refused the credentials."},
  {"loader_failed", "The function that loads the value failed."},
  {"shutting_down", "The node is shutting down."},
}};

const row& at(errc x) noexcept {
  auto i = static_cast<std::size_t>(x);
  return rows[i < rows.size() ? i : static_cast<std::size_t>(errc::io_failure)];
}

} // namespace

std::string_view to_string(errc x) noexcept {
  return at(x).name;
}

std::string_view sentence(errc x) noexcept {
  return at(x).sentence;
}

std::string to_string(const failure& x) {
  std::string result{sentence(x.code)};
  if (!x.detail.empty())
    result.append(" (").append(x.detail).append(")");
  return result;
}

} // namespace terrace
