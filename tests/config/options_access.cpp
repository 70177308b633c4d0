#define CAF_SUITE config.options_access

#include "config/options_access.hpp"
#include "config/config_reader.hpp"

#include <caf/test/unit_test.hpp>

#include <limits>

using namespace terrace;
using namespace std::chrono_literals;

namespace {

// Every option away from its default.
options unusual() {
  options x;
  auto set = [&](std::string_view name, std::string_view text) {
    if (auto err = set_option(x, name, text))
      CAF_FAIL(name << ": " << *err);
  };
  options defaults;
  for (auto& info : option_table()) {
    auto data = info.get(defaults);
    if (auto flag = std::get_if<bool>(&data))
      set(info.name, *flag ? "false" : "true");
    else if (auto n = std::get_if<std::int64_t>(&data))
      set(info.name,
          to_text(info, *n == info.max ? info.min : info.max, secrets::show));
    else if (std::holds_alternative<std::string>(data) && info.choices.empty()
             && !info.condition)
      set(info.name, "a \"b\" \\ 'c' # = \xc3\xa9");
  }
  set("cache.chain", "disk,redis");
  set("redis.url", "redis://me:s%22cret@h:1/2");
  set("redis.write", "behind");
  set("disk.durability", "every-commit");
  set("disk.write", "behind");
  set("resp.bind", "0.0.0.0");
  set("http.bind", "localhost");
  set("http.port", "1");
  set("log.level", "off");
  set("log.components", "redis=trace,node=error");
  // What the flipped switches turned off, but the rules need.
  set("disk.commit_size", "4KiB");
  set("disk.max_pending_size", "5KiB");
  set("node.max_memory", "0");
  return x;
}

std::string set_error(std::string_view name, std::string_view text) {
  options x;
  auto err = set_option(x, name, text);
  CAF_CHECK(x == options{} || !err);
  return err ? *err : "";
}

std::string value(const options& x, std::string_view name,
                  secrets how = secrets::hide) {
  return option_value(x, name, how).value_or("none");
}

bool is_valid_bind(std::string_view text) {
  return set_error("resp.bind", text).empty();
}

} // namespace

CAF_TEST(printed options parse back to equal options) {
  options defaults;
  auto result = parse_options(print_options(defaults, secrets::show), "p");
  CAF_REQUIRE(result);
  CAF_CHECK(*result == defaults);
  auto x = unusual();
  auto text = print_options(x, secrets::show);
  result = parse_options(text, "p");
  if (!result)
    CAF_FAIL(result.errors().front());
  CAF_CHECK(*result == x);
  CAF_CHECK_EQUAL(print_options(*result, secrets::show), text);
}

CAF_TEST(printing hides passwords unless asked) {
  options x;
  x.resp.password = "topsecret";
  x.redis.url = "redis://me:topsecret@h/1";
  auto text = print_options(x);
  CAF_CHECK(text.find("topsecret") == text.npos);
  CAF_CHECK(text.find("password = \"***\"") != text.npos);
  CAF_CHECK(text.find("url = \"redis://me:***@h/1\"") != text.npos);
  CAF_CHECK(parse_options(text, "p"));
  text = print_options(x, secrets::show);
  CAF_CHECK(text.find("password = \"topsecret\"") != text.npos);
  CAF_CHECK(print_options({}).find("***") == std::string::npos);
}

CAF_TEST(values are plain text) {
  options x;
  CAF_CHECK_EQUAL(value(x, "memory.max_size"), "256MiB");
  CAF_CHECK_EQUAL(value(x, "redis.max_ttl"), "1d");
  CAF_CHECK_EQUAL(value(x, "memory.max_ttl"), "0");
  CAF_CHECK_EQUAL(value(x, "resp.port"), "7379");
  CAF_CHECK_EQUAL(value(x, "cache.chain"), "memory,redis,disk");
  CAF_CHECK_EQUAL(value(x, "cache.promote"), "true");
  CAF_CHECK_EQUAL(value(x, "log.components"), "");
  x.log.components = {{"redis", "debug"}, {"disk", "off"}};
  CAF_CHECK_EQUAL(value(x, "log.components"), "disk=off,redis=debug");
  x.resp.password = "pw";
  CAF_CHECK_EQUAL(value(x, "resp.password"), "***");
  CAF_CHECK_EQUAL(value(x, "resp.password", secrets::show), "pw");
  CAF_CHECK_EQUAL(value(x, "resp.nothing"), "none");
}

CAF_TEST(every value can be set from its own text) {
  auto x = unusual();
  options y;
  for (auto name : option_names()) {
    auto text = option_value(x, name, secrets::show);
    CAF_REQUIRE(text.has_value());
    CAF_CHECK(!set_option(y, name, *text));
  }
  CAF_CHECK(x == y);
}

CAF_TEST(setting refuses what the file refuses) {
  CAF_CHECK_EQUAL(set_error("resp.port", "7400"), "");
  CAF_CHECK_EQUAL(set_error("resp.port", "+1"),
                  "expected an integer from 1 to 65535, got \"+1\"");
  CAF_CHECK_EQUAL(set_error("resp.port", "9223372036854775808"), // 2^63
                  "expected an integer from 1 to 65535, got "
                  "\"9223372036854775808\"");
  CAF_CHECK_EQUAL(set_error("resp.prt", "1"),
                  "unknown option; did you mean \"resp.port\"?");
  CAF_CHECK_EQUAL(set_error(std::string(1 << 20, 'x'), "1"), "unknown option");
  CAF_CHECK_EQUAL(set_error("", "1"), "unknown option");
  CAF_CHECK_EQUAL(set_error("resp.password", "a\nb"),
                  "expected printable text of at most 512 bytes, got "
                  "\"***\"");
  for (auto text : {"memory,", "memory,,disk", "memory disk", "tape", ""})
    CAF_CHECK(!set_error("cache.chain", text).empty());
  for (auto text : {"redis", "redis=", "=debug", "redis=loud", "tape=debug",
                    "redis=debug,redis=info"})
    CAF_CHECK(!set_error("log.components", text).empty());
  CAF_CHECK_EQUAL(set_error("log.components", ""), "");
}

CAF_TEST(text is UTF 8 without control characters) {
  for (auto text : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"})
    CAF_CHECK_EQUAL(set_error("redis.prefix", text), "");
  for (auto text : {"\x7f", "\t", "\x80", "\xc3", "\xc0\x80", "\xed\xa0\x80",
                    "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
                    "\xf8\x88\x80\x80\x80", "\xff"})
    CAF_CHECK(!set_error("redis.prefix", text).empty());
  CAF_CHECK_EQUAL(set_error("redis.prefix", std::string(256, 'x')), "");
  CAF_CHECK(!set_error("redis.prefix", std::string(257, 'x')).empty());
}

CAF_TEST(addresses to listen on are IPv4 literals or localhost) {
  for (auto text : {"0.0.0.0", "127.0.0.1", "255.255.255.255", "localhost"})
    CAF_CHECK(is_valid_bind(text));
  for (auto text :
       {"", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.", ".1.2.3", "01.2.3.4",
        "1.2.3.4 ", "-1.2.3.4", "::1", "example.org", "1..2.3"})
    CAF_CHECK(!is_valid_bind(text));
}

CAF_TEST(validation also covers options that a program has set) {
  options x;
  x.memory.max_size = std::numeric_limits<std::uint64_t>::max();
  x.redis.command_timeout = -1ms;
  x.log.level = "loud";
  auto found = validate(x);
  CAF_REQUIRE_EQUAL(found.size(), 3u);
  CAF_CHECK_EQUAL(found[0].concerns.front(), "memory.max_size");
  CAF_CHECK_EQUAL(found[1].text,
                  "expected a duration from \"1ms\" to \"1m\", got \"-1ms\"");
  CAF_CHECK_EQUAL(found[2].concerns.front(), "log.level");
}

CAF_TEST(equal ports are allowed where the sockets cannot meet) {
  options x;
  x.http.port = x.resp.port;
  CAF_CHECK_EQUAL(validate(x).size(), 1u);
  x.http.bind = "localhost";
  CAF_CHECK_EQUAL(validate(x).size(), 1u);
  x.http.bind = "0.0.0.0";
  CAF_CHECK_EQUAL(validate(x).size(), 1u);
  x.http.bind = "127.0.0.2";
  CAF_CHECK(validate(x).empty());
  x.http.bind = x.resp.bind;
  x.http.enabled = false;
  CAF_CHECK(validate(x).empty());
}

CAF_TEST(several servers need a mode that knows what to do with them) {
  auto problem = [](std::string mode, std::string url) -> std::string {
    options x;
    x.redis.mode = std::move(mode);
    x.redis.url = std::move(url);
    auto found = validate(x);
    return found.empty() ? "" : found.front().text;
  };
  auto two = "redis://a,redis://:s3cret@b";
  CAF_CHECK_EQUAL(problem("single", two),
                  "expected one server with redis.mode = \"single\", got "
                  "\"redis://a,redis://:***@b\"");
  CAF_CHECK_EQUAL(problem("sharded", two), "");
  CAF_CHECK_EQUAL(problem("sharded", "redis://a,redis://a:6379"),
                  "expected every server once with redis.mode = \"sharded\", "
                  "got \"redis://a,redis://a:6379\"");
  CAF_CHECK_EQUAL(problem("cluster", "redis://a/1"),
                  "expected database 0, the only one of a cluster, with "
                  "redis.mode = \"cluster\", got \"redis://a/1\"");
  CAF_CHECK(problem("sentinel", two).starts_with("expected the same login"));
  CAF_CHECK(problem("sentinel", "unix:///s").starts_with("expected no Unix"));
  CAF_CHECK_EQUAL(problem("cluster", "redis://:p@a,redis://:p@b"), "");
  CAF_CHECK_EQUAL(problem("sentinel", "redis://a/3,redis://b/3"), "");
}

CAF_TEST(a tier counts if it is both in the chain and enabled) {
  options x;
  x.cache.chain = {"redis"};
  CAF_CHECK_EQUAL(validate(x).size(), 1u);
  x.redis.enabled = true;
  CAF_CHECK(validate(x).empty());
  x.cache.chain = {"memory", "disk"};
  x.memory.enabled = false;
  CAF_CHECK(validate(x).empty());
  x.disk.enabled = false;
  CAF_CHECK_EQUAL(validate(x).size(), 1u);
}
