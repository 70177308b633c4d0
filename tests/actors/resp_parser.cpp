// Requests, their limits and the error texts of redis-server 7.0.

#define CAF_SUITE actors.resp_parser

#include "actors/resp/parser.hpp"

#include <caf/test/unit_test.hpp>

#include <random>

using namespace terrace::resp;

namespace {

using strings = std::vector<std::string>;

/// What a parser makes of a stream: its requests, then an error if there is
/// one.
struct parsed {
  std::vector<strings> requests;
  std::string error;
  std::size_t rest = 0; ///< bytes of an incomplete request

  friend bool operator==(const parsed&, const parsed&) = default;
};

std::string to_string(const parsed& x) {
  std::string result;
  for (auto& request : x.requests) {
    for (auto& arg : request)
      result += "<" + arg + ">";
    result += ";";
  }
  return result + x.error + "+" + std::to_string(x.rest);
}

/// Feeds `pieces` one after the other, as a connection does. Every piece is
/// parsed in a new block of exactly its size, so that views into old blocks or
/// reads past the end do not go unnoticed under a sanitizer.
parsed feed(const strings& pieces, const parse_limits& limits = {}) {
  parsed result;
  parser uut;
  std::string waiting;
  for (auto& piece : pieces) {
    waiting += piece;
    std::vector<char> block(waiting.begin(), waiting.end());
    std::size_t at = 0;
    for (;;) {
      std::vector<std::string_view> args;
      auto rest = std::span<char>{block}.subspan(at);
      auto outcome = uut.next(rest, limits, args);
      if (outcome == parser::outcome::failed) {
        result.error = uut.error();
        return result;
      }
      if (outcome == parser::outcome::incomplete)
        break;
      at += uut.consumed();
      if (outcome == parser::outcome::complete)
        result.requests.emplace_back(args.begin(), args.end());
    }
    waiting.erase(0, at);
  }
  result.rest = waiting.size();
  return result;
}

std::string error_of(const std::string& input,
                     const parse_limits& limits = {}) {
  return feed({input}, limits).error;
}

/// Feeds `input` whole, cut in two at every place, and byte by byte; all must
/// give the same.
parsed feed_in_all_ways(const std::string& input) {
  auto result = feed({input});
  for (std::size_t i = 1; i < input.size(); ++i)
    CAF_CHECK_EQUAL(to_string(feed({input.substr(0, i), input.substr(i)})),
                    to_string(result));
  strings bytes;
  for (auto c : input)
    bytes.emplace_back(1, c);
  CAF_CHECK_EQUAL(to_string(feed(bytes)), to_string(result));
  return result;
}

} // namespace

CAF_TEST(requests come out as they went in) {
  auto x = feed_in_all_ways("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
                            "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"
                            "PING\r\n"
                            "*1\r\n$4\r\nQUIT\r\n");
  std::vector<strings> expected{
    {"GET", "key"}, {"SET", "k", ""}, {"PING"}, {"QUIT"}};
  CAF_CHECK(x.requests == expected);
  CAF_CHECK_EQUAL(x.rest, 0u);
}

CAF_TEST(arguments may hold any byte) {
  std::string value{"a\r\n$3\r\n\0*", 9};
  auto x = feed_in_all_ways("*2\r\n$4\r\nECHO\r\n$9\r\n" + value + "\r\n");
  CAF_REQUIRE_EQUAL(x.requests.size(), 1u);
  CAF_CHECK_EQUAL(x.requests[0][1], value);
}

CAF_TEST(empty requests are skipped) {
  auto x = feed_in_all_ways("\r\n*0\r\n*-1\r\n   \r\n\n*1\r\n$4\r\nPING\r\n");
  CAF_CHECK(x.requests == std::vector<strings>{{"PING"}});
}

CAF_TEST(an incomplete request stays) {
  auto x = feed_in_all_ways("*2\r\n$3\r\nGET\r\n$5\r\nab");
  CAF_CHECK_EQUAL(x.requests.size(), 0u);
  CAF_CHECK_EQUAL(x.rest, 19u);
}

CAF_TEST(inline requests follow the quoting rules of Redis) {
  auto args = [](const std::string& line) {
    auto x = feed_in_all_ways(line + "\r\n");
    CAF_REQUIRE_EQUAL(x.error, "");
    return x.requests.empty() ? strings{} : x.requests[0];
  };
  CAF_CHECK(args("set  a\tb ") == strings({"set", "a", "b"}));
  CAF_CHECK(args(R"(set "a b" 'c d')") == strings({"set", "a b", "c d"}));
  CAF_CHECK(args(R"(x "\x41\n\r\t\a\b\"\\\q")")
            == strings({"x", "A\n\r\t\a\b\"\\q"}));
  CAF_CHECK(args(R"(x 'it\'s \n')") == strings({"x", "it's \\n"}));
  CAF_CHECK(args(R"(x "")") == strings({"x", ""}));
  CAF_CHECK(args(R"(a"b"  c)") == strings({"ab", "c"}));
  CAF_CHECK(args(R"(x "\x4")") == strings({"x", "x4"}));
  CAF_CHECK(args("get k") == strings({"get", "k"}));
}

CAF_TEST(unbalanced quotes are an error) {
  auto expected = "Protocol error: unbalanced quotes in request";
  CAF_CHECK_EQUAL(error_of("set \"a\r\n"), expected);
  CAF_CHECK_EQUAL(error_of("set 'a\r\n"), expected);
  CAF_CHECK_EQUAL(error_of("set \"a\"b\r\n"), expected);
}

CAF_TEST(bad lengths are errors) {
  auto multibulk = "Protocol error: invalid multibulk length";
  auto bulk = "Protocol error: invalid bulk length";
  CAF_CHECK_EQUAL(error_of("*a\r\n"), multibulk);
  CAF_CHECK_EQUAL(error_of("*\r\n"), multibulk);
  CAF_CHECK_EQUAL(error_of("*1x\r\n"), multibulk);
  CAF_CHECK_EQUAL(error_of("*01\r\n"), multibulk);
  CAF_CHECK_EQUAL(error_of("*+1\r\n"), multibulk);
  CAF_CHECK_EQUAL(error_of("* 1\r\n"), multibulk);
  CAF_CHECK_EQUAL(error_of("*1048577\r\n"), multibulk);
  CAF_CHECK_EQUAL(error_of("*99999999999999999999\r\n"), multibulk);
  CAF_CHECK_EQUAL(error_of("*1\r\n$-1\r\n"), bulk);
  CAF_CHECK_EQUAL(error_of("*1\r\n$a\r\n"), bulk);
  CAF_CHECK_EQUAL(error_of("*1\r\n$\r\n"), bulk);
  CAF_CHECK_EQUAL(error_of("*1\r\n$99999999999999999999\r\n"), bulk);
  CAF_CHECK_EQUAL(error_of("*1\r\n:1\r\n"),
                  "Protocol error: expected '$', got ':'");
  CAF_CHECK_EQUAL(error_of("*2\r\n$1\r\na\r\nPING\r\n"),
                  "Protocol error: expected '$', got 'P'");
}

CAF_TEST(lines without an end are errors) {
  std::string junk(70 * 1024, '1');
  CAF_CHECK_EQUAL(error_of(junk), "Protocol error: too big inline request");
  CAF_CHECK_EQUAL(error_of(junk + "\r\n"),
                  "Protocol error: too big inline request");
  CAF_CHECK_EQUAL(error_of("*" + junk),
                  "Protocol error: too big mbulk count string");
  CAF_CHECK_EQUAL(error_of("*1\r\n$" + junk),
                  "Protocol error: too big bulk count string");
}

CAF_TEST(requests have a limit) {
  parse_limits limits{100, 150, false};
  CAF_CHECK_EQUAL(error_of("*1\r\n$101\r\n", limits),
                  "Protocol error: invalid bulk length");
  CAF_CHECK_EQUAL(
    error_of("*2\r\n$90\r\n" + std::string(90, 'x') + "\r\n$90\r\n", limits),
    "Protocol error: request is too big");
  CAF_CHECK_EQUAL(error_of("*1\r\n$100\r\n", limits), "");
}

CAF_TEST(strangers may send little) {
  parse_limits strict;
  strict.strict = true;
  CAF_CHECK_EQUAL(error_of("*11\r\n", strict),
                  "Protocol error: unauthenticated multibulk length");
  CAF_CHECK_EQUAL(error_of("*10\r\n", strict), "");
  CAF_CHECK_EQUAL(error_of("*2\r\n$4\r\nAUTH\r\n$16385\r\n", strict),
                  "Protocol error: unauthenticated bulk length");
  CAF_CHECK_EQUAL(error_of("*2\r\n$4\r\nAUTH\r\n$16384\r\n", strict), "");
}

CAF_TEST(the two bytes before an argument are free) {
  std::string input = "*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n"
                      "get c\r\n";
  std::vector<char> block(input.begin(), input.end());
  parser uut;
  std::vector<std::string_view> args;
  CAF_REQUIRE(uut.next(block, {}, args) == parser::outcome::complete);
  auto used = uut.consumed();
  auto check = [&] {
    for (auto x : args)
      const_cast<char*>(x.data())[-1] = const_cast<char*>(x.data())[-2] = 0;
  };
  check();
  CAF_CHECK(args == std::vector<std::string_view>({"MGET", "a", "b"}));
  args.clear();
  CAF_REQUIRE(uut.next(std::span<char>{block}.subspan(used), {}, args)
              == parser::outcome::complete);
  CAF_CHECK(uut.was_inline());
  check();
  CAF_CHECK(args == std::vector<std::string_view>({"get", "c"}));
}

CAF_TEST(a large value in small pieces is parsed once) {
  // 64 MiB in pieces of 32 KiB: looking at all of it again for every piece
  // would take minutes.
  constexpr std::size_t size = 64u << 20;
  std::string head = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$" + std::to_string(size)
                     + "\r\n";
  std::vector<char> block(head.begin(), head.end());
  block.resize(head.size() + size + 2, 'x');
  parser uut;
  std::vector<std::string_view> args;
  std::size_t arrived = head.size() / 2;
  while (arrived < block.size()) {
    CAF_REQUIRE(uut.next(std::span<char>{block}.first(arrived), {}, args)
                == parser::outcome::incomplete);
    if (arrived >= head.size())
      CAF_REQUIRE_EQUAL(uut.needed(), block.size());
    arrived = std::min(arrived + 32 * 1024, block.size());
  }
  CAF_REQUIRE(uut.next(block, {}, args) == parser::outcome::complete);
  CAF_CHECK_EQUAL(args[2].size(), size);
}

CAF_TEST(many small arguments in small pieces are parsed once) {
  // One million arguments in pieces of one kilobyte, the same way.
  constexpr std::size_t n = 1024 * 1024;
  std::string input = "*" + std::to_string(n) + "\r\n";
  for (std::size_t i = 0; i < n; ++i)
    input += "$1\r\na\r\n";
  parser uut;
  std::vector<std::string_view> args;
  std::span<char> block{input};
  for (std::size_t arrived = 0; arrived < input.size(); arrived += 1024)
    CAF_REQUIRE(uut.next(block.first(arrived), {}, args)
                == parser::outcome::incomplete);
  CAF_REQUIRE(uut.next(block, {}, args) == parser::outcome::complete);
  CAF_CHECK_EQUAL(args.size(), n);
}

CAF_TEST(a parser can start again) {
  std::string input = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
  parser uut;
  std::vector<std::string_view> args;
  std::span<char> block{input};
  CAF_REQUIRE(uut.next(block.first(15), {}, args)
              == parser::outcome::incomplete);
  uut.restart();
  CAF_REQUIRE(uut.next(block, {}, args) == parser::outcome::complete);
  CAF_CHECK_EQUAL(args.size(), 2u);
}

CAF_TEST(random bytes never break the rules) {
  // Seed 7; letters that matter come often.
  std::mt19937 random{7};
  const std::string letters = "*$\r\n0123456789-\"'\\xab ";
  for (int round = 0; round < 2000; ++round) {
    std::string input;
    for (auto n = random() % 60; n > 0; --n)
      input += letters[random() % letters.size()];
    feed_in_all_ways(input);
  }
}
