#include "actors/resp/parser.hpp"

#include "actors/resp/inline_args.hpp"

#include <algorithm>
#include <cstring>

namespace terrace::resp {

namespace {

constexpr std::int64_t strict_arguments = 10;
constexpr std::uint64_t strict_bulk = 16 * 1024;

} // namespace

parser::outcome parser::fail(std::string error) {
  error_ = std::move(error);
  return outcome::failed;
}

parser::outcome parser::next(std::span<char> in, const parse_limits& limits,
                             std::vector<std::string_view>& args) {
  if (!started_) {
    at_ = 0;
    seen_ = 0;
    needed_ = 1;
    if (in.empty())
      return outcome::incomplete;
    inline_ = in[0] != '*';
    if (inline_)
      return read_inline(in, args);
    bulk_ = -1;
    auto result = begin(in, limits);
    if (result != outcome::complete)
      return result;
  } else if (in.size() < needed_) {
    return outcome::incomplete;
  }
  return read_args(in, limits, args);
}

// -- multibulk ----------------------------------------------------------------

parser::line_state parser::read_length(std::span<char> in, std::int64_t& out) {
  // The type stands at at_.
  auto* first = in.data() + at_ + 1;
  auto* last = in.data() + in.size();
  auto* p = first;
  std::int64_t x = 0;
  while (p != last && *p >= '0' && *p <= '9' && p - first < 18)
    x = x * 10 + (*p++ - '0');
  // Digits, CR, and any one byte, which clients send as LF.
  if (last - p >= 2 && *p == '\r' && p != first) [[likely]] {
    if (*first == '0' && p - first > 1)
      return line_state::malformed;
    out = x;
    at_ = static_cast<std::size_t>(p + 2 - in.data());
    seen_ = at_;
    return line_state::complete;
  }
  // Everything else is rare: wait for the end of the line, then judge it.
  auto from = std::max(seen_, at_ + 1);
  auto* cr = from < in.size() ? static_cast<char*>(
               std::memchr(in.data() + from, '\r', in.size() - from))
                              : nullptr;
  if (!cr || cr + 1 == last) {
    seen_ = cr ? static_cast<std::size_t>(cr - in.data()) : in.size();
    return line_state::incomplete;
  }
  std::string_view text{first, static_cast<std::size_t>(cr - first)};
  // Negative counts are valid numbers to Redis; zero stands for all of them.
  if (text.size() > 1 && text.size() < 19 && text[0] == '-' && text[1] != '0'
      && std::all_of(text.begin() + 1, text.end(),
                     [](char c) { return c >= '0' && c <= '9'; })) {
    out = -1;
    at_ = static_cast<std::size_t>(cr + 2 - in.data());
    seen_ = at_;
    return line_state::complete;
  }
  return line_state::malformed;
}

parser::outcome parser::wait_for_line(std::span<char> in,
                                      std::string_view too_long) {
  if (in.size() - at_ > max_line)
    return fail("Protocol error: " + std::string{too_long});
  needed_ = in.size() + 1;
  return outcome::incomplete;
}

parser::outcome parser::begin(std::span<char> in, const parse_limits& limits) {
  std::int64_t n = 0;
  switch (read_length(in, n)) {
    case line_state::incomplete:
      return wait_for_line(in, "too big mbulk count string");
    case line_state::malformed:
      return fail("Protocol error: invalid multibulk length");
    case line_state::complete:
      break;
  }
  if (n > max_arguments)
    return fail("Protocol error: invalid multibulk length");
  if (limits.strict && n > strict_arguments)
    return fail("Protocol error: unauthenticated multibulk length");
  if (n <= 0)
    return outcome::nothing;
  left_ = n;
  started_ = true;
  return outcome::complete;
}

parser::outcome parser::read_args(std::span<char> in,
                                  const parse_limits& limits,
                                  std::vector<std::string_view>& args) {
  // A request that is complete at the first look goes straight into `args`. One
  // that is continued collects offsets, so that what is known is not copied for
  // every piece that arrives.
  const bool continued = !partial_.empty();
  auto before = args.size();
  auto stop = [&](outcome result) {
    for (auto i = before; i < args.size(); ++i)
      partial_.push_back(
        {static_cast<std::size_t>(args[i].data() - in.data()), args[i].size()});
    args.resize(before);
    return result;
  };
  for (; left_ > 0; --left_) {
    if (bulk_ < 0) {
      auto result = read_bulk_length(in, limits);
      if (result != outcome::complete)
        return stop(result);
    }
    auto size = static_cast<std::size_t>(bulk_);
    if (in.size() - at_ < size + 2) {
      needed_ = at_ + size + 2;
      return stop(outcome::incomplete);
    }
    if (continued)
      partial_.push_back({at_, size});
    else
      args.emplace_back(in.data() + at_, size);
    at_ += size + 2;
    seen_ = at_;
    bulk_ = -1;
  }
  started_ = false;
  if (continued) {
    for (auto& x : partial_)
      args.emplace_back(in.data() + x.offset, x.size);
    partial_ = {};
  }
  return outcome::complete;
}

parser::outcome parser::read_bulk_length(std::span<char> in,
                                         const parse_limits& limits) {
  if (at_ == in.size()) {
    needed_ = at_ + 1;
    return outcome::incomplete;
  }
  if (in[at_] != '$')
    return fail(std::string{"Protocol error: expected '$', got '"} + in[at_]
                + '\'');
  switch (read_length(in, bulk_)) {
    case line_state::incomplete:
      return wait_for_line(in, "too big bulk count string");
    case line_state::malformed:
      bulk_ = -1;
      break;
    case line_state::complete:
      break;
  }
  auto size = static_cast<std::uint64_t>(bulk_);
  if (bulk_ < 0 || size > limits.max_bulk)
    return fail("Protocol error: invalid bulk length");
  if (limits.strict && size > strict_bulk)
    return fail("Protocol error: unauthenticated bulk length");
  if (at_ + size > limits.max_request)
    return fail("Protocol error: request is too big");
  return outcome::complete;
}

// -- inline -------------------------------------------------------------------

parser::outcome parser::read_inline(std::span<char> in,
                                    std::vector<std::string_view>& args) {
  auto* end = static_cast<char*>(std::memchr(in.data(), '\n', in.size()));
  auto length = end ? static_cast<std::size_t>(end - in.data()) : in.size();
  if (length > max_line)
    return fail("Protocol error: too big inline request");
  if (!end) {
    needed_ = in.size() + 1;
    return outcome::incomplete;
  }
  at_ = length + 1;
  std::string_view line{in.data(), length};
  if (!line.empty() && line.back() == '\r')
    line.remove_suffix(1);
  if (!split_inline(line, arena_, args))
    return fail("Protocol error: unbalanced quotes in request");
  return arena_.empty() ? outcome::nothing : outcome::complete;
}

} // namespace terrace::resp
