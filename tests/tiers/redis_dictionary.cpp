// Dictionaries beside the records in Redis, for two nodes on one server.

#define CAF_SUITE tiers.redis_dictionary

#include <caf/test/unit_test.hpp>

#include "tests/support/json_values.hpp"
#include "tests/support/redis_store_fixture.hpp"

#include <algorithm>

using namespace terrace;
using namespace terrace::test;

namespace {

constexpr std::int64_t later = now + 10'000;

dictionary_ptr make_dictionary(std::uint64_t seed = 0) {
  dictionary_samples from;
  for (std::uint64_t i = 0; i < 400; ++i) {
    auto x = json_value(seed + i);
    from.bytes += x;
    from.sizes.push_back(x.size());
  }
  auto result = dictionary::train(from, "0:user:*", 4096, 3);
  CAF_REQUIRE(result);
  return *result;
}

/// A node: what it knows, and its connection.
struct side {
  compression_options compression;
  dictionary_set_ptr set = std::make_shared<dictionary_set>(compression);
  std::shared_ptr<codec> coder = std::make_shared<codec>(compression, set);
  std::shared_ptr<redis_figures> figures = std::make_shared<redis_figures>();
  redis_store store;

  side(const redis_options& opts, const std::string& url)
    : store(opts, make_topology(opts, url), coder, figures, "terrace-test") {
    // nop
  }

  void put(int i, version_t version = 1, std::int64_t at = now) {
    auto n = static_cast<std::uint64_t>(i);
    entry x{key(i), {blob::copy(json_value(n)), version, 0, {"tag"}}};
    CAF_REQUIRE_EQUAL(store.put({&x, 1}, false, at).stored, 1u);
  }

  lookup find(int i, std::int64_t at = now) {
    auto k = key(i);
    return store.fetch({&k, 1}, at).at(0);
  }

  bool has(int i, std::int64_t at = now) {
    auto x = find(i, at);
    return x.hit()
           && x.data.value.view() == json_value(static_cast<std::uint64_t>(i));
  }

  static std::string key(int i) {
    return qualify(0, "user:" + std::to_string(i));
  }
};

struct fixture {
  redis_options opts;
  std::optional<redis_server> server;
  dictionary_ptr dict = make_dictionary();
  std::string name = "terrace:dict:" + std::to_string(dict->id());

  fixture() {
    opts.command_timeout = milliseconds{5000};
    server.emplace();
  }

  side make_side() {
    return {opts, server->url()};
  }

  /// The number in the record of a key, straight from Redis.
  std::uint32_t dictionary_in(int i) {
    return codec::dictionary_of(
      server->run_command({"GET", "terrace:0:user:" + std::to_string(i)}));
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(redis_dictionary_tests, fixture)

CAF_TEST(a dictionary is in Redis before the first record that needs it) {
  auto a = make_side();
  a.put(1);
  CAF_CHECK_EQUAL(dictionary_in(1), 0u);
  CAF_REQUIRE(a.set->add(dict->stored()));
  a.put(2);
  CAF_CHECK_EQUAL(dictionary_in(2), dict->id());
  CAF_CHECK_EQUAL(server->run_command({"GET", name}), dict->stored());
  CAF_CHECK(a.has(1));
  CAF_CHECK(a.has(2));
}

CAF_TEST(a node that does not know the dictionary fetches it once) {
  auto a = make_side();
  CAF_REQUIRE(a.set->add(dict->stored()));
  for (int i = 0; i < 50; ++i)
    a.put(i);
  auto b = make_side();
  keys all;
  for (int i = 0; i < 50; ++i)
    all.push_back(side::key(i));
  server->run_command({"CONFIG", "RESETSTAT"});
  auto found = b.store.fetch(all, now);
  CAF_CHECK(std::all_of(found.begin(), found.end(),
                        [](const lookup& x) { return x.hit(); }));
  CAF_CHECK(b.has(7));
  auto stats = server->run_command({"INFO", "commandstats"});
  CAF_CHECK(stats.find("cmdstat_get:calls=1,") != stats.npos);
  CAF_CHECK(b.set->find(dict->id()));
  CAF_CHECK_EQUAL(b.coder->stats().dictionary_missing, 0u);
  // It writes with it as well.
  b.put(60);
  CAF_CHECK_EQUAL(dictionary_in(60), dict->id());
}

CAF_TEST(a record whose dictionary is gone is a counted error and comes back) {
  auto a = make_side();
  CAF_REQUIRE(a.set->add(dict->stored()));
  a.put(1);
  server->run_command({"DEL", name});
  auto b = make_side();
  CAF_CHECK(failed_with(b.find(1), errc::unsupported_format));
  CAF_CHECK(!b.store.last_failure());
  CAF_CHECK_EQUAL(b.coder->stats().dictionary_missing, 1u);
  counter_map errors;
  b.figures->fill(errors);
  CAF_CHECK_EQUAL(errors["error_unsupported_format"], 1u);
  CAF_CHECK(a.has(1)); // who knows it still reads it
  // When it is there again, it is found after a pause.
  server->run_command({"SET", name, dict->stored()});
  CAF_CHECK(failed_with(b.find(1, now + 999), errc::unsupported_format));
  CAF_CHECK(b.has(1, now + 1000));
}

CAF_TEST(after a flush by others the dictionary is written again) {
  auto a = make_side();
  CAF_REQUIRE(a.set->add(dict->stored()));
  a.put(1);
  server->run_command({"FLUSHDB"});
  a.put(2, 1, now + 4999); // not noticed yet
  CAF_CHECK_EQUAL(server->run_command({"EXISTS", name}), "0");
  a.put(3, 1, now + 5000);
  CAF_CHECK_EQUAL(server->run_command({"GET", name}), dict->stored());
  CAF_CHECK_EQUAL(dictionary_in(3), dict->id());
  auto b = make_side();
  CAF_CHECK(b.has(2));
  CAF_CHECK(b.has(3));
}

CAF_TEST(a dictionary outlives the records and its life is never cut) {
  auto life = [&] { return std::stoll(server->run_command({"PTTL", name})); };
  opts.max_ttl = milliseconds{10 * hour};
  auto a = make_side();
  CAF_REQUIRE(a.set->add(dict->stored()));
  a.put(1);
  CAF_CHECK_GREATER(life(), 10 * hour);
  CAF_CHECK_LESS_OR_EQUAL(life(), 11 * hour);
  // It is prolonged while records are written.
  server->run_command({"PEXPIRE", name, "60000"});
  a.put(2, 1, later);
  CAF_CHECK_GREATER(life(), 10 * hour);
  // One whose records live forever; the other node does not shorten that.
  opts.max_ttl = milliseconds{0};
  auto b = make_side();
  CAF_REQUIRE(b.set->add(dict->stored()));
  b.put(3);
  CAF_CHECK_EQUAL(life(), -1);
  a.put(4, 1, later + 10'000);
  CAF_CHECK_EQUAL(life(), -1);
}

CAF_TEST(what somebody else has put there is neither used nor replaced) {
  server->run_command({"SET", name, "something else"});
  auto a = make_side();
  CAF_REQUIRE(a.set->add(dict->stored()));
  a.put(1);
  CAF_CHECK_EQUAL(dictionary_in(1), 0u);
  CAF_CHECK_EQUAL(server->run_command({"GET", name}), "something else");
  // Nor is it believed when it is read.
  server->run_command({"DEL", name});
  a.put(2, 1, later);
  CAF_CHECK_EQUAL(dictionary_in(2), dict->id());
  auto damaged = dict->stored();
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  server->run_command({"SET", name, damaged});
  auto b = make_side();
  CAF_CHECK(failed_with(b.find(2), errc::unsupported_format));
  server->run_command({"DEL", name});
  server->run_command({"LPUSH", name, "a list"});
  CAF_CHECK(failed_with(b.find(2, later), errc::unsupported_format));
}

CAF_TEST(dictionaries are no entries) {
  auto a = make_side();
  CAF_REQUIRE(a.set->add(dict->stored()));
  a.put(1);
  auto page = a.store.list(0, "*", "", 1000, now);
  CAF_REQUIRE(page);
  CAF_CHECK(page->found == keys{side::key(1)});
  auto n = a.store.count(0);
  CAF_REQUIRE(n);
  CAF_CHECK_EQUAL(*n, 1u);
  auto purged = a.store.purge(selector{}, 100, now);
  CAF_REQUIRE(purged);
  CAF_CHECK_EQUAL(*purged, 1u);
  CAF_CHECK_EQUAL(server->run_command({"EXISTS", name}), "1");
}

CAF_TEST(tags of records with a dictionary are found without it) {
  auto a = make_side();
  CAF_REQUIRE(a.set->add(dict->stored()));
  a.put(1);
  compression_options off;
  redis_store plain{opts, make_topology(opts, server->url()),
                    std::make_shared<codec>(off),
                    std::make_shared<redis_figures>(), "terrace-test"};
  auto k = side::key(1);
  CAF_CHECK(
    failed_with(plain.fetch({&k, 1}, now).at(0), errc::unsupported_format));
  auto purged = plain.purge(selector{selector::kind::tag, 0, "tag"}, 100, now);
  CAF_REQUIRE(purged);
  CAF_CHECK_EQUAL(*purged, 1u);
}

CAF_TEST(without a server a write fails once and says why) {
  auto a = make_side();
  CAF_REQUIRE(a.set->add(dict->stored()));
  a.put(1);
  server->kill();
  entry x{side::key(2), {blob::copy(json_value(2)), 1, 0, {}}};
  auto report = a.store.put({&x, 1}, false, later);
  CAF_CHECK_EQUAL(report.failed, 1u);
  CAF_CHECK_EQUAL(report.why.code, errc::unavailable);
  server->start();
  a.put(3, 1, later + 10'000);
  CAF_CHECK_EQUAL(dictionary_in(3), dict->id());
  CAF_CHECK_EQUAL(server->run_command({"EXISTS", name}), "1");
}

CAF_TEST_FIXTURE_SCOPE_END()

CAF_TEST(of several servers the dictionary is where its name says) {
  redis_options opts;
  opts.mode = "sharded";
  opts.command_timeout = milliseconds{5000};
  redis_server servers[3];
  auto url = servers[0].url() + ',' + servers[1].url() + ',' + servers[2].url();
  auto dict = make_dictionary();
  side a{opts, url};
  CAF_REQUIRE(a.set->add(dict->stored()));
  for (int i = 0; i < 30; ++i)
    a.put(i);
  auto name = "terrace:dict:" + std::to_string(dict->id());
  int copies = 0;
  for (auto& x : servers)
    copies += x.run_command({"EXISTS", name}) == "1";
  CAF_CHECK_EQUAL(copies, 1);
  side b{opts, url};
  for (int i = 0; i < 30; ++i)
    CAF_CHECK(b.has(i));
}
