#define CAF_SUITE config.environment

#include "config/config_reader.hpp"
#include "config/options_access.hpp"

#include <caf/test/unit_test.hpp>

#include <cctype>

using namespace terrace;
using namespace std::chrono_literals;

namespace {

using lines = std::vector<std::string>;
using variables = std::map<std::string, std::string>;

config_result read(const variables& env, std::string_view file = "") {
  config_reader reader;
  reader.add_text(file, "t.toml");
  reader.add_environment([&](const char* name) -> const char* {
    auto i = env.find(name);
    return i == env.end() ? nullptr : i->second.c_str();
  });
  return reader.finish();
}

options good(const variables& env, std::string_view file = "") {
  auto result = read(env, file);
  if (!result)
    CAF_FAIL(result.errors().front());
  return *result;
}

lines bad(const variables& env) {
  auto result = read(env);
  return result ? lines{} : result.errors();
}

} // namespace

CAF_TEST(an empty environment changes nothing) {
  CAF_CHECK(good({}) == options{});
  CAF_CHECK(good({{"REDIS_URL", ""}, {"TERRACE_RESP_PORT", ""}}) == options{});
}

CAF_TEST(the shared names set their options) {
  auto x = good({
    {"REDIS_URL", "redis://cache:6380/1"},
    {"CACHE_TTL_DEFAULT", "300"},
    {"CACHE_L1_ENABLED", "no"},
    {"CACHE_L1_MAX_SIZE", "128MiB"},
    {"CACHE_L1_MAX_ENTRIES", "5000"},
    {"CACHE_L1_DEFAULT_TTL", "60"},
    {"CACHE_L2_TTL", "12h"},
    {"CACHE_L2_PREFIX", "app:"},
    {"CACHE_L3_ENABLED", "1"},
    {"CACHE_L3_MAX_SIZE", "1073741824"},
    {"CACHE_L3_PATH", "/var/cache/terrace"},
    {"CACHE_L3_TTL", "0"},
    {"CACHE_COMPRESSION_ENABLED", "OFF"},
    {"CACHE_COMPRESSION_THRESHOLD", "2048"},
  });
  CAF_CHECK_EQUAL(x.redis.url, "redis://cache:6380/1");
  CAF_CHECK_EQUAL(x.redis.enabled, true);
  CAF_CHECK(x.cache.default_ttl == 300s);
  CAF_CHECK_EQUAL(x.memory.enabled, false);
  CAF_CHECK_EQUAL(x.memory.max_size, 134217728u);
  CAF_CHECK_EQUAL(x.memory.max_entries, 5000u);
  CAF_CHECK(x.memory.max_ttl == 60s);
  CAF_CHECK(x.redis.max_ttl == 12h);
  CAF_CHECK_EQUAL(x.redis.prefix, "app:");
  CAF_CHECK_EQUAL(x.disk.enabled, true);
  CAF_CHECK_EQUAL(x.disk.max_size, 1073741824u);
  CAF_CHECK_EQUAL(x.disk.path, "/var/cache/terrace");
  CAF_CHECK(x.disk.max_ttl == 0s);
  CAF_CHECK_EQUAL(x.compression.enabled, false);
  CAF_CHECK_EQUAL(x.compression.threshold, 2048u);
}

CAF_TEST(every option has a variable) {
  variables env;
  for (auto name : option_names()) {
    std::string variable = "TERRACE_";
    for (auto c : name)
      variable += c == '.' ? '_' : static_cast<char>(std::toupper(c));
    env[variable] = "\x01"; // no option takes a control character
  }
  CAF_CHECK_EQUAL(bad(env).size(), option_names().size());
}

CAF_TEST(own names set their options) {
  auto x = good({{"TERRACE_RESP_PORT", "7400"},
                 {"TERRACE_CACHE_CHAIN", "disk, memory"},
                 {"TERRACE_LOG_COMPONENTS", "redis=debug, disk=off"},
                 {"TERRACE_CACHE_DEFAULT_TTL", "5m"}});
  CAF_CHECK_EQUAL(x.resp.port, 7400);
  CAF_CHECK_EQUAL(x.cache.chain, (lines{"disk", "memory"}));
  CAF_CHECK_EQUAL(x.log.components.size(), 2u);
  CAF_CHECK(x.cache.default_ttl == 5min);
}

CAF_TEST(the environment overrides the file) {
  auto file = "[redis]\nenabled = false\n[resp]\nport = 1\n";
  auto x = good({{"REDIS_URL", "redis://h"}, {"TERRACE_RESP_PORT", "2"}}, file);
  CAF_CHECK_EQUAL(x.redis.enabled, true);
  CAF_CHECK_EQUAL(x.resp.port, 2);
}

CAF_TEST(an environment may complete a file that is wrong alone) {
  auto file = "cache.chain = ['redis']";
  CAF_CHECK(!read({}, file));
  CAF_CHECK(read({{"REDIS_URL", "redis://h"}}, file));
}

CAF_TEST(the more specific name wins) {
  auto x = good({{"REDIS_URL", "redis://h"}, {"CACHE_L2_ENABLED", "false"}});
  CAF_CHECK_EQUAL(x.redis.enabled, false);
  x = good(
    {{"CACHE_L1_MAX_SIZE", "2MiB"}, {"TERRACE_MEMORY_MAX_SIZE", "3MiB"}});
  CAF_CHECK_EQUAL(x.memory.max_size, 3145728u);
}

CAF_TEST(bad values are errors that name the variable) {
  lines expected{
    "environment: REDIS_URL: expected redis://[[user]:password@]host[:port]"
    "[/db] or unix://path[?db=n] (no TLS: for rediss:// let stunnel speak it "
    "and give stunnel's own address), got \"rediss://me:***@h\"",
    "environment: CACHE_TTL_DEFAULT: expected a duration from \"0\" to "
    "\"3650d\", got \"-1\"",
    "environment: CACHE_L1_MAX_SIZE: expected a size from \"1MiB\" to "
    "\"16TiB\", got \"1\"",
    "environment: CACHE_L3_ENABLED: expected true or false, got \"maybe\"",
    "environment: TERRACE_CACHE_DEFAULT_TTL: expected a duration from \"0\" "
    "to \"3650d\", got \"300\"",
    "environment: TERRACE_RESP_PORT: expected an integer from 1 to 65535, "
    "got \"70000\"",
  };
  CAF_CHECK_EQUAL(bad({{"REDIS_URL", "rediss://me:secret@h"},
                       {"CACHE_TTL_DEFAULT", "-1"},
                       {"CACHE_L1_MAX_SIZE", "1"},
                       {"CACHE_L3_ENABLED", "maybe"},
                       {"TERRACE_CACHE_DEFAULT_TTL", "300"},
                       {"TERRACE_RESP_PORT", "70000"}}),
                  expected);
}

CAF_TEST(rules across options name the variable) {
  lines expected{"environment: TERRACE_DISK_MAX_PENDING_SIZE: "
                 "disk.commit_size: expected at most disk.max_pending_size "
                 "(\"8MiB\"), got \"16MiB\""};
  CAF_CHECK_EQUAL(bad({{"TERRACE_DISK_MAX_PENDING_SIZE", "8MiB"}}), expected);
}
