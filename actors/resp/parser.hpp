/// Reads requests as Redis clients send them: arrays of bulk strings, and
/// inline commands typed by people. Source: the RESP specification and the
/// behaviour of redis-server 7.0, whose error texts are used.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::resp {

struct parse_limits {
  /// Longest argument, in bytes.
  std::uint64_t max_bulk = 512ull << 20;
  /// Longest request, in bytes.
  std::uint64_t max_request = 512ull << 20;
  /// The client has not authenticated: ten arguments of 16 KiB at most.
  bool strict = false;
};

/// Parses one connection. Arguments are not looked at again, however small the
/// pieces are in which a request arrives, and no memory is allocated for a
/// request that is complete when it is first looked at.
///
/// Arguments are views into the caller's bytes. In front of every argument lie
/// two bytes that belong to no argument and that the caller may change while
/// the request is being executed, for instance to put a tenant before a key.
class parser {
public:
  enum class outcome : std::uint8_t {
    complete,   ///< a request; `args` has its arguments, at least one
    nothing,    ///< an empty request, to be skipped
    incomplete, ///< call again with the same bytes and more
    failed,     ///< `error()` says why; the connection cannot go on
  };

  static constexpr std::int64_t max_arguments = 1024 * 1024;

  /// Longest inline request and longest line that announces a length.
  static constexpr std::size_t max_line = 64 * 1024;

  /// Looks at the request at the beginning of `in` and appends its arguments to
  /// `args`. After `incomplete` the next call must pass the same bytes again,
  /// at any address, followed by what has arrived since; `args` is left as it
  /// was. Inline arguments live in the parser until the next call.
  outcome next(std::span<char> in, const parse_limits& limits,
               std::vector<std::string_view>& args);

  /// Forgets what is known of an incomplete request: the next call may pass any
  /// bytes.
  void restart() noexcept {
    started_ = false;
    partial_.clear();
  }

  /// Bytes of the request that `next` returned last.
  std::size_t consumed() const noexcept {
    return at_;
  }

  /// The request that `next` returned last was an inline one.
  bool was_inline() const noexcept {
    return inline_;
  }

  /// After `incomplete`: bytes that the request has at least.
  std::size_t needed() const noexcept {
    return needed_;
  }

  /// For example "Protocol error: invalid bulk length".
  const std::string& error() const noexcept {
    return error_;
  }

private:
  struct slice {
    std::size_t offset;
    std::size_t size;
  };

  outcome begin(std::span<char> in, const parse_limits& limits);

  outcome read_args(std::span<char> in, const parse_limits& limits,
                    std::vector<std::string_view>& args);

  outcome read_bulk_length(std::span<char> in, const parse_limits& limits);

  outcome read_inline(std::span<char> in, std::vector<std::string_view>& args);

  enum class line_state : std::uint8_t { complete, incomplete, malformed };

  line_state read_length(std::span<char> in, std::int64_t& out);

  outcome wait_for_line(std::span<char> in, std::string_view too_long);

  outcome fail(std::string error);

  std::size_t at_ = 0;     ///< end of what was understood
  std::size_t seen_ = 0;   ///< end of what was searched for a line break
  std::int64_t left_ = 0;  ///< arguments still missing
  std::int64_t bulk_ = -1; ///< size of the argument at `at_`, if known
  bool started_ = false;   ///< a request is being read
  bool inline_ = false;
  std::size_t needed_ = 0;
  std::vector<slice> partial_; ///< arguments of an incomplete request
  std::string arena_;          ///< inline arguments
  std::string error_;
};

} // namespace terrace::resp
