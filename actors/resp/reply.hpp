/// Writes replies in RESP2 or RESP3. Source: the RESP specification,
/// redis.io/docs/reference/protocol-spec.
#pragma once

#include "actors/resp/output.hpp"

#include <charconv>
#include <cstdint>

namespace terrace::resp {

/// A thin view on an output; cheap to make. In RESP2 the types of RESP3 are
/// written as Redis 7 does: maps and sets as arrays, doubles as bulk strings,
/// booleans as integers.
class reply_writer {
public:
  reply_writer(output& out, bool resp3) noexcept : out_(out), resp3_(resp3) {
    // nop
  }

  bool resp3() const noexcept {
    return resp3_;
  }

  // -- simple types -----------------------------------------------------------

  /// Bytes that are a complete reply already.
  void raw(std::string_view reply) {
    out_.text().append(reply);
  }

  void ok() {
    raw("+OK\r\n");
  }

  /// `text` without line breaks.
  void simple(std::string_view text);

  /// `text` begins with the code, e.g. "ERR syntax error". Line breaks in it,
  /// which may come from a client, become blanks.
  void error(std::string_view text);

  void integer(std::int64_t x) {
    header(':', x);
  }

  void null() {
    raw(resp3_ ? "_\r\n" : "$-1\r\n");
  }

  /// Null where an array was expected.
  void null_array() {
    raw(resp3_ ? "_\r\n" : "*-1\r\n");
  }

  void boolean(bool x);

  void real(double x);

  // -- strings ----------------------------------------------------------------

  void bulk(std::string_view bytes) {
    auto& text = out_.text();
    auto* p = text.room(bytes.size() + header_size + 2);
    p = put_header(p, '$', static_cast<std::int64_t>(bytes.size()));
    if (!bytes.empty())
      std::memcpy(p, bytes.data(), bytes.size());
    p += bytes.size();
    *p++ = '\r';
    *p++ = '\n';
    text.commit(p);
  }

  /// Shares large values instead of copying them.
  void bulk(const blob& x) {
    if (x.size() < output::share_limit)
      bulk(x.view());
    else
      shared(x);
  }

  /// Text for people; clients that show it need not quote it.
  void verbatim(std::string_view text);

  // -- collections: followed by as many replies as they announce --------------

  void array(std::size_t n) {
    header('*', static_cast<std::int64_t>(n));
  }

  void set(std::size_t n) {
    header(resp3_ ? '~' : '*', static_cast<std::int64_t>(n));
  }

  /// Followed by `n` keys, each with its value.
  void map(std::size_t n) {
    header(resp3_ ? '%' : '*', static_cast<std::int64_t>(resp3_ ? n : 2 * n));
  }

private:
  /// Type, sign, digits, line break.
  static constexpr std::size_t header_size = 24;

  static char* put_header(char* p, char type, std::int64_t x) noexcept {
    *p++ = type;
    p = std::to_chars(p, p + header_size - 3, x).ptr;
    *p++ = '\r';
    *p++ = '\n';
    return p;
  }

  void header(char type, std::int64_t x) {
    auto& text = out_.text();
    text.commit(put_header(text.room(header_size), type, x));
  }

  void line(char type, std::string_view text);

  void shared(const blob& x);

  output& out_;
  bool resp3_;
};

} // namespace terrace::resp
