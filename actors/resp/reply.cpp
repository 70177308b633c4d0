#include "actors/resp/reply.hpp"

#include <cmath>
#include <string>

namespace terrace::resp {

void reply_writer::simple(std::string_view text) {
  line('+', text);
}

void reply_writer::error(std::string_view text) {
  line('-', text);
}

void reply_writer::line(char type, std::string_view text) {
  auto& out = out_.text();
  auto* p = out.room(text.size() + 3);
  *p++ = type;
  p = std::replace_copy_if(
    text.begin(), text.end(), p, [](char c) { return c == '\r' || c == '\n'; },
    ' ');
  *p++ = '\r';
  *p++ = '\n';
  out.commit(p);
}

void reply_writer::boolean(bool x) {
  if (resp3_)
    raw(x ? "#t\r\n" : "#f\r\n");
  else
    integer(x ? 1 : 0);
}

void reply_writer::real(double x) {
  char digits[40];
  std::string_view text;
  if (std::isnan(x)) {
    text = "nan";
  } else if (std::isinf(x)) {
    text = x > 0 ? "inf" : "-inf";
  } else {
    auto end = std::to_chars(digits, digits + sizeof(digits), x).ptr;
    text = {digits, static_cast<std::size_t>(end - digits)};
  }
  if (resp3_)
    line(',', text);
  else
    bulk(text);
}

void reply_writer::shared(const blob& x) {
  header('$', static_cast<std::int64_t>(x.size()));
  out_.share(x);
  raw("\r\n");
}

void reply_writer::verbatim(std::string_view text) {
  if (!resp3_) {
    bulk(text);
    return;
  }
  header('=', static_cast<std::int64_t>(text.size() + 4));
  raw("txt:");
  raw(text);
  raw("\r\n");
}

} // namespace terrace::resp
