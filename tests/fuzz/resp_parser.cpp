// sources: actors/resp/parser.cpp actors/resp/inline_args.cpp
// sources: actors/resp/output.cpp actors/resp/reply.cpp actors/resp/slot.cpp
// sources: actors/resp/command_table.cpp actors/resp/command_reply.cpp
// sources: actors/resp/set_options.cpp messages/errc.cpp

// What a stranger may send: cut in two at any place it must mean the same, no
// view may leave the bytes, and what is made of the arguments must be a reply
// that can be parsed again. The first byte says where to cut, the second
// whether the client is known.

#include "actors/resp/command_reply.hpp"
#include "actors/resp/parser.hpp"
#include "actors/resp/set_options.hpp"
#include "actors/resp/slot.hpp"

#include <cstdio>
#include <cstdlib>

using namespace terrace::resp;

namespace {

using strings = std::vector<std::string>;

struct parsed {
  std::vector<strings> requests;
  std::string error;
};

void require(bool condition, const char* what) {
  if (!condition) {
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
  }
}

/// Parses what can be parsed of `waiting` and removes it.
bool advance(parser& uut, std::string& waiting, const parse_limits& limits,
             parsed& out) {
  std::vector<char> block(waiting.begin(), waiting.end());
  std::vector<std::string_view> args;
  std::size_t at = 0;
  for (;;) {
    args.clear();
    auto outcome = uut.next(std::span<char>{block}.subspan(at), limits, args);
    if (outcome == parser::outcome::failed) {
      out.error = uut.error();
      return false;
    }
    if (outcome == parser::outcome::incomplete)
      break;
    require(uut.consumed() <= block.size() - at, "consumed too much");
    at += uut.consumed();
    if (outcome == parser::outcome::nothing)
      continue;
    require(!args.empty(), "a request without a name");
    out.requests.emplace_back(args.begin(), args.end());
    for (auto x : args) {
      // The two bytes before an argument are ours.
      const_cast<char*>(x.data())[-1] = 0;
      const_cast<char*>(x.data())[-2] = 0;
    }
    require(std::equal(args.begin(), args.end(), out.requests.back().begin()),
            "arguments overlap");
  }
  waiting.erase(0, at);
  return true;
}

parsed parse(std::string_view input, std::size_t cut,
             const parse_limits& limits) {
  parsed result;
  parser uut;
  std::string waiting{input.substr(0, cut)};
  if (advance(uut, waiting, limits, result)) {
    waiting += input.substr(cut);
    advance(uut, waiting, limits, result);
  }
  return result;
}

/// Reads one reply of RESP3 at `at`; false if there is none.
bool read_reply(std::string_view x, std::size_t& at) {
  auto end = x.find("\r\n", at);
  if (at >= x.size() || end == std::string_view::npos)
    return false;
  auto type = x[at];
  auto n = std::atoll(std::string{x.substr(at + 1, end - at - 1)}.c_str());
  at = end + 2;
  switch (type) {
    case '+':
    case '-':
    case ':':
    case '_':
    case '#':
    case ',':
      return true;
    case '$':
    case '=':
      at += static_cast<std::size_t>(n) + 2;
      return at <= x.size() && x.substr(at - 2, 2) == "\r\n";
    case '%':
      n *= 2;
      [[fallthrough]];
    case '*':
    case '~':
      while (n-- > 0)
        if (!read_reply(x, at))
          return false;
      return true;
    default:
      return false;
  }
}

void check_replies(const strings& request) {
  std::vector<std::string_view> args(request.begin(), request.end());
  output out;
  reply_writer writer{out, true};
  std::size_t replies = 0;
  for (auto x : args) {
    writer.bulk(x);
    writer.error("ERR " + std::string{x});
    writer.verbatim(x);
    replies += 3;
  }
  write_command_infos(writer, arguments{args}.first(1));
  write_command_docs(writer, arguments{args}.first(1));
  replies += 2;
  set_options set;
  getex_options getex;
  terrace::mutation::condition when;
  for (auto& why : {read_set_options(args, 1000, set),
                    read_getex_options(args, 1000, getex),
                    read_expire_options(args, when)}) {
    writer.error(why);
    ++replies;
  }
  require(!set.has_expiry || set.expires_ms >= 0, "a negative deadline");
  auto text = out.text().view();
  std::size_t at = 0;
  for (; replies > 0; --replies)
    require(read_reply(text, at), "a reply that cannot be read");
  require(at == text.size(), "more than was asked for");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size < 2)
    return 0;
  std::string_view input{reinterpret_cast<const char*>(data) + 2, size - 2};
  parse_limits limits{4096, 8192, (data[1] & 1) != 0};
  auto whole = parse(input, input.size(), limits);
  auto halves = parse(input, input.empty() ? 0 : data[0] % input.size(),
                      limits);
  require(whole.requests == halves.requests, "cutting changes the requests");
  require(whole.error == halves.error, "cutting changes the error");
  for (auto& request : whole.requests)
    check_replies(request);
  return 0;
}
