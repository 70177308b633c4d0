#define CAF_SUITE config.config_reader

#include "config/config_reader.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;
using namespace std::chrono_literals;

namespace {

using lines = std::vector<std::string>;

lines errors_of(std::string_view text) {
  auto result = parse_options(text, "t.toml");
  return result ? lines{} : result.errors();
}

// The only error line of `text`.
std::string error_of(std::string_view text) {
  auto xs = errors_of(text);
  return xs.size() == 1 ? xs[0] : std::to_string(xs.size()) + " errors";
}

options read(std::string_view text) {
  auto result = parse_options(text, "t.toml");
  if (!result)
    CAF_FAIL(result.errors().front());
  return *result;
}

struct broken {
  std::string_view text;
  std::string_view error;
};

// For the errors that toml++ words, only the place and the beginning are ours.
constexpr std::string_view syntax = "Error while parsing";

} // namespace

CAF_TEST(an empty text gives the defaults) {
  CAF_CHECK(read("") == options{});
  CAF_CHECK(read("# nothing\n[redis]\n") == options{});
}

CAF_TEST(every kind of value is read) {
  auto x = read("[cache]\n"
                "chain = ['memory']\n"
                "default_ttl = '90s'\n"
                "promote = false\n"
                "[memory]\n"
                "max_size = 0x200000\n"
                "max_value_size = '100MB'\n"
                "max_ttl = 0\n"
                "[log]\n"
                "level = 'debug'\n"
                "components = { redis = 'trace', disk = 'off' }\n");
  CAF_CHECK_EQUAL(x.cache.chain, lines{"memory"});
  CAF_CHECK(x.cache.default_ttl == 90s);
  CAF_CHECK_EQUAL(x.cache.promote, false);
  CAF_CHECK_EQUAL(x.memory.max_size, 2097152u);
  CAF_CHECK_EQUAL(x.memory.max_value_size, 100000000u);
  CAF_CHECK(x.memory.max_ttl == 0ms);
  CAF_CHECK_EQUAL(x.log.level, "debug");
  std::map<std::string, std::string> components{{"disk", "off"},
                                                {"redis", "trace"}};
  CAF_CHECK_EQUAL(x.log.components, components);
}

CAF_TEST(dotted keys and headers of subtables mean the same) {
  auto x = read("resp.port = 7400\n[log.components]\nresp = 'debug'\n");
  CAF_CHECK_EQUAL(x.resp.port, 7400);
  CAF_CHECK_EQUAL(x.log.components.size(), 1u);
}

CAF_TEST(each mistake gives one line with its place and what was expected) {
  const broken cases[] = {
    // Unknown names.
    {"port = 1", "1:1: port: unknown option; options stand in tables such as "
                 "[redis]"},
    {"[rediss]\nport = 1", "1:2: rediss: unknown table"},
    {"[resp]\nprot = 1",
     "2:1: resp.prot: unknown option; did you mean \"resp.port\"?"},
    {"[redis]\ncolour = 1", "2:1: redis.colour: unknown option"},
    {"[redis.pool]\nsize = 1", "1:8: redis.pool: unknown option"},
    {"[redis]\n\"a\\nb\" = 1", "2:1: redis.\"a\\u000Ab\": unknown option"},
    // Wrong types.
    {"redis = 3", "1:9: redis: expected a table, got 3"},
    {"[[resp]]\npassword = \"pw\"",
     "1:1: resp: expected a table, got an array"},
    {"[resp]\nport = \"7379\"",
     "2:8: resp.port: expected an integer from 1 to 65535, got \"7379\""},
    {"[resp]\nport = 1.0",
     "2:8: resp.port: expected an integer from 1 to 65535, got 1.0"},
    {"[resp]\nenabled = 1", "2:11: resp.enabled: expected true or false, "
                            "got 1"},
    {"[resp]\nenabled = \"true\"",
     "2:11: resp.enabled: expected true or false, got \"true\""},
    {"[node]\nname = 1979-05-27",
     "2:8: node.name: expected printable text of at most 128 bytes, "
     "got 1979-05-27"},
    {"[cache]\nchain = \"memory\"",
     "2:9: cache.chain: expected a list of one or more different names out of "
     "\"memory\", \"redis\", \"disk\", got \"memory\""},
    {"[log]\ncomponents = [\"redis\"]",
     "2:14: log.components: expected a table with keys out of \"node\", "
     "\"coordinator\", \"memory\", \"redis\", \"disk\", \"resp\", \"http\", "
     "\"invalidator\", \"metrics\", \"backplane\", \"warming\" and values out "
     "of \"trace\", "
     "\"debug\", "
     "\"info\", \"warning\", \"error\", \"off\", got [\"redis\"]"},
    // Out of range.
    {"[resp]\nport = 0",
     "2:8: resp.port: expected an integer from 1 to 65535, got 0"},
    {"[resp]\nport = 65536",
     "2:8: resp.port: expected an integer from 1 to 65535, got 65536"},
    {"[redis]\nconnections = -1",
     "2:15: redis.connections: expected an integer from 1 to 256, got -1"},
    {"[redis]\nconnections = 4294967297", // 2^32 + 1: would be 1 if cut
     "2:15: redis.connections: expected an integer from 1 to 256, got "
     "4294967297"},
    {"[compression]\nlevel = 20",
     "2:9: compression.level: expected an integer from 1 to 19, got 20"},
    {"[node]\nshards = 3",
     "2:10: node.shards: expected 0 or a power of two up to 256, got 3"},
    {"[node]\ndata_dir = \"\"",
     "2:12: node.data_dir: expected printable text of 1 to 4095 bytes, "
     "got \"\""},
    {"[redis]\nprefix = \"a\\u0000b\"",
     "2:10: redis.prefix: expected printable text of at most 256 bytes, got "
     "\"a\\u0000b\""},
    // Sizes and durations.
    {"[memory]\nmax_size = -5", "2:12: memory.max_size: expected a size from "
                                "\"1MiB\" to \"16TiB\", got -5"},
    {"[memory]\nmax_size = \"256mb\"",
     "2:12: memory.max_size: expected a size from \"1MiB\" to \"16TiB\", got "
     "\"256mb\""},
    {"[memory]\nmax_size = \"1KiB\"",
     "2:12: memory.max_size: expected a size from \"1MiB\" to \"16TiB\", got "
     "\"1KiB\""},
    {"[memory]\nmax_size = \"16777217TiB\"", // 2^64 + 2^40
     "2:12: memory.max_size: expected a size from \"1MiB\" to \"16TiB\", got "
     "\"16777217TiB\""},
    {"[memory]\nmax_size = \"18446744073709551615\"", // 2^64 - 1
     "2:12: memory.max_size: expected a size from \"1MiB\" to \"16TiB\", got "
     "\"18446744073709551615\""},
    {"[memory]\nsweep_interval = 5",
     "2:18: memory.sweep_interval: expected a duration from \"1ms\" to "
     "\"1h\", got 5"},
    {"[memory]\nsweep_interval = \"0\"",
     "2:18: memory.sweep_interval: expected a duration from \"1ms\" to "
     "\"1h\", got \"0\""},
    {"[cache]\ndefault_ttl = \"-5s\"",
     "2:15: cache.default_ttl: expected a duration from \"0\" to \"3650d\", "
     "got \"-5s\""},
    {"[cache]\ndefault_ttl = \"999999999999999d\"",
     "2:15: cache.default_ttl: expected a duration from \"0\" to \"3650d\", "
     "got \"999999999999999d\""},
    // Words.
    {"[cache]\nchain = [\"memory\", \"tape\", 5]",
     "2:9: cache.chain: expected a list of one or more different names out of "
     "\"memory\", \"redis\", \"disk\", got [\"memory\", \"tape\", 5]"},
    {"[cache]\nchain = [\"memory\", \"memory\"]",
     "2:9: cache.chain: expected a list of one or more different names out of "
     "\"memory\", \"redis\", \"disk\", got [\"memory\", \"memory\"]"},
    {"[cache]\nchain = []",
     "2:9: cache.chain: expected a list of one or more different names out of "
     "\"memory\", \"redis\", \"disk\", got []"},
    {"[redis]\nwrite = \"around\"",
     "2:9: redis.write: expected one of \"through\", \"behind\", got "
     "\"around\""},
    {"[log]\nlevel = \"loud\"",
     "2:9: log.level: expected one of \"trace\", \"debug\", \"info\", "
     "\"warning\", \"error\", \"off\", got \"loud\""},
    {"[resp]\nbind = \"1.2.3\"", "2:8: resp.bind: expected an IPv4 address or "
                                 "\"localhost\", got \"1.2.3\""},
    // Secrets stay secret.
    {"[resp]\npassword = 12345",
     "2:12: resp.password: expected printable text of at most 512 bytes, got "
     "another type"},
    {"[resp]\npassword = \"x\\u0001\"",
     "2:12: resp.password: expected printable text of at most 512 bytes, got "
     "\"***\""},
    {"[redis]\nurl = \"redis://:secret@h:x\"",
     "2:7: redis.url: expected redis://[[user]:password@]host[:port][/db] or "
     "unix://path[?db=n] (no TLS: for rediss:// let stunnel speak it and give "
     "stunnel's own address), got \"redis://:***@h:x\""},
    // Rules across options.
    {"[cache]\nchain = [\"redis\"]",
     "2:9: cache.chain: expected at least one tier that is enabled, got "
     "[\"redis\"]"},
    {"[disk]\nmax_pending_size = \"1MiB\"",
     "2:20: disk.commit_size: expected at most disk.max_pending_size "
     "(\"1MiB\"), got \"16MiB\""},
    {"[resp]\noutput_soft_limit = \"2GiB\"",
     "2:21: resp.output_soft_limit: expected at most resp.output_hard_limit "
     "(\"1GiB\"), got \"2GiB\""},
    {"[http]\nport = 7379",
     "2:8: http.port: expected another port than resp.port, got 7379"},
  };
  for (auto& [text, error] : cases)
    CAF_CHECK_EQUAL(error_of(text), "t.toml:" + std::string{error});
}

CAF_TEST(a text that is not TOML gives one line with its place) {
  const broken cases[] = {
    {"[resp\nport = 1", "1:6: "},
    {"[resp]\nport = \n", "2:8: "},
    {"[resp]\nport = 1\nport = 2\n", "3:"},
    {"[resp]\nport = 1 2\n", "2:"},
    {"[resp]\nbind = \"127\n", "2:"},
    {"[resp]\nport = 99999999999999999999\n", "2:"},
    {"\"a\\nb\" = 1\n\"a\\nb\" = 2\n", "2:"},
  };
  for (auto& [text, place] : cases) {
    auto error = error_of(text);
    CAF_CHECK(error.starts_with("t.toml:" + std::string{place}));
    CAF_CHECK(error.find(syntax) != error.npos);
    CAF_CHECK(error.find('\n') == error.npos);
  }
  CAF_CHECK_EQUAL(error_of("x = \"\xff\"\n").substr(0, 11), "t.toml:1:5:");
  CAF_CHECK_EQUAL(errors_of("x = " + std::string(100000, '[')).size(), 1u);
}

CAF_TEST(all mistakes are reported in the order of the file) {
  auto found = errors_of("[resp]\nport = 0\n[cache]\ntenants = 0\n[a]\n");
  CAF_REQUIRE_EQUAL(found.size(), 3u);
  CAF_CHECK_EQUAL(found[0], "t.toml:2:8: resp.port: expected an integer from "
                            "1 to 65535, got 0");
  CAF_CHECK_EQUAL(found[1], "t.toml:4:11: cache.tenants: expected an integer "
                            "from 1 to 65536, got 0");
  CAF_CHECK_EQUAL(found[2], "t.toml:5:2: a: unknown table");
}

CAF_TEST(long values are shortened) {
  auto text = "[log]\nlevel = \"" + std::string(1000, 'x') + "\"";
  CAF_CHECK(error_of(text).ends_with(std::string(79, 'x') + "..."));
}

CAF_TEST(a file that cannot be read is an error) {
  auto result = load_options("/nonexistent/terrace.toml");
  CAF_REQUIRE(!result);
  CAF_CHECK_EQUAL(result.errors(),
                  lines{"/nonexistent/terrace.toml: cannot be read: No such "
                        "file or directory"});
  result = load_options("/");
  CAF_REQUIRE(!result);
  CAF_CHECK_EQUAL(result.errors(), lines{"/: cannot be read: Is a directory"});
  result = load_options("/dev/zero");
  CAF_REQUIRE(!result);
  CAF_CHECK_EQUAL(result.errors(), lines{"/dev/zero: is larger than 1MiB"});
}

CAF_TEST(later layers win and may complete earlier ones) {
  config_reader reader;
  reader.add_text("cache.chain = ['redis']\nresp.port = 1\n", "a.toml");
  reader.add_text("resp.port = 2\nhttp.port = 3\n", "b.toml");
  reader.add_value("redis.enabled", "true", "command line");
  reader.add_value("http.port", "4", "command line");
  auto result = reader.finish();
  CAF_REQUIRE(result);
  CAF_CHECK_EQUAL(result->resp.port, 2);
  CAF_CHECK_EQUAL(result->http.port, 4);
}

CAF_TEST(errors name the layer they come from) {
  config_reader reader;
  reader.add_text("resp.port = 0", "a.toml");
  reader.add_value("resp.prot", "1", "command line");
  reader.add_value("http.port", "x", "command line");
  auto result = reader.finish();
  CAF_REQUIRE(!result);
  lines expected{
    "a.toml:1:13: resp.port: expected an integer from 1 to 65535, got 0",
    "command line: resp.prot: unknown option; did you mean \"resp.port\"?",
    "command line: http.port: expected an integer from 1 to 65535, got \"x\"",
  };
  CAF_CHECK_EQUAL(result.errors(), expected);
}

CAF_TEST(rules across options blame the layer that broke them) {
  config_reader reader;
  reader.add_text("resp.port = 7400", "a.toml");
  reader.add_value("http.port", "7400", "command line");
  auto result = reader.finish();
  CAF_REQUIRE(!result);
  CAF_CHECK_EQUAL(result.errors(),
                  lines{"command line: http.port: expected another port than "
                        "resp.port, got 7400"});
}
