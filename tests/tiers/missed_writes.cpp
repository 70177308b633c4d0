#define CAF_SUITE tiers.missed_writes

#include <caf/test/unit_test.hpp>

#include "tiers/missed_writes.hpp"

#include <algorithm>
#include <set>

using namespace terrace;

namespace {

using kind = selector::kind;

struct fixture {
  missed_writes missed{100, 1 << 20};

  static std::string key(std::string_view user_key, tenant_id tenant = 0) {
    return qualify(tenant, user_key);
  }

  static record rec(version_t version, std::vector<std::string> tags = {}) {
    return {blob::copy("value"), version, 0, std::move(tags)};
  }

  void write(std::string_view k, version_t version,
             std::vector<std::string> tags = {}) {
    missed.note(entry{key(k), rec(version, std::move(tags))});
  }

  void gone(std::string_view k, version_t version) {
    missed.note(removal{key(k), version});
  }

  bool hides(std::string_view k, version_t version,
             std::vector<std::string> tags = {}) const {
    return missed.hides(key(k), rec(version, std::move(tags)));
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(missed_writes_tests, fixture)

CAF_TEST(nothing noted hides nothing) {
  CAF_CHECK(!hides("a", 1));
  CAF_CHECK(!missed.hides_any());
  CAF_CHECK(missed.next(10).empty());
}

CAF_TEST(a missed write hides older records of its key only) {
  write("a", 5);
  CAF_CHECK(hides("a", 4));
  CAF_CHECK(!hides("a", 5));
  CAF_CHECK(!hides("a", 6));
  CAF_CHECK(!hides("b", 1));
}

CAF_TEST(a missed removal hides records up to its version) {
  gone("a", 5);
  CAF_CHECK(hides("a", 4));
  CAF_CHECK(hides("a", 5));
  CAF_CHECK(!hides("a", 6));
}

CAF_TEST(the newest note of a key wins whatever the order) {
  write("a", 5);
  gone("a", 7);
  write("a", 6);
  auto batch = missed.next(10);
  CAF_CHECK(batch.puts.empty());
  CAF_REQUIRE_EQUAL(batch.gone.size(), 1u);
  CAF_CHECK_EQUAL(batch.gone[0].version, 7u);
  write("a", 8);
  batch = missed.next(10);
  CAF_CHECK(batch.gone.empty());
  CAF_REQUIRE_EQUAL(batch.puts.size(), 1u);
  CAF_CHECK_EQUAL(batch.puts[0].data.version, 8u);
  CAF_CHECK_EQUAL(missed.size(), 1u);
}

CAF_TEST(notes hide until they are replayed) {
  write("a", 5);
  auto batch = missed.next(10);
  CAF_CHECK(hides("a", 4));
  missed.replayed(batch);
  CAF_CHECK(!hides("a", 4));
  CAF_CHECK(missed.empty());
  CAF_CHECK_EQUAL(missed.bytes(), 0u);
}

CAF_TEST(a note that became newer during the replay stays) {
  write("a", 5);
  write("b", 5);
  auto batch = missed.next(10);
  write("a", 9);
  missed.replayed(batch);
  CAF_CHECK_EQUAL(missed.size(), 1u);
  CAF_CHECK(hides("a", 5));
  CAF_CHECK(!hides("b", 4));
}

CAF_TEST(batches are no larger than asked for and cover everything) {
  for (version_t i = 1; i <= 25; ++i)
    write("k" + std::to_string(i), i);
  std::size_t rounds = 0;
  while (!missed.empty()) {
    auto batch = missed.next(10);
    CAF_CHECK(batch.puts.size() <= 10);
    missed.replayed(batch);
    ++rounds;
  }
  CAF_CHECK_EQUAL(rounds, 3u);
}

CAF_TEST(a missed purge hides what it selects) {
  missed.note({kind::prefix, 0, "user:"}, 10);
  missed.note({kind::tag, 0, "red"}, 20);
  CAF_CHECK(hides("user:1", 10));
  CAF_CHECK(!hides("user:1", 11));
  CAF_CHECK(!hides("item:1", 3));
  CAF_CHECK(hides("item:1", 20, {"blue", "red"}));
  CAF_CHECK(!hides("item:1", 21, {"red"}));
  CAF_CHECK(!missed.hides(key("user:1", 3), rec(1)));
}

CAF_TEST(a purge drops the older writes that it covers) {
  write("user:1", 5);
  write("user:2", 15);
  write("item:1", 5);
  missed.note({kind::prefix, 0, "user:"}, 10);
  auto first = missed.next(10);
  CAF_REQUIRE(first.purge.has_value());
  CAF_CHECK_EQUAL(first.purge->up_to, 10u);
  CAF_CHECK(first.puts.empty());
  missed.replayed(first);
  auto second = missed.next(10);
  CAF_CHECK_EQUAL(second.puts.size(), 2u);
  auto covered = [](const entry& x) { return x.key == key("user:1"); };
  CAF_CHECK(std::none_of(second.puts.begin(), second.puts.end(), covered));
}

CAF_TEST(a write older than a noted purge is not noted) {
  missed.note({kind::all, 0, ""}, 10);
  write("a", 9);
  write("b", 11);
  CAF_CHECK_EQUAL(missed.size(), 2u);
  CAF_CHECK(hides("a", 9));
}

CAF_TEST(a purge by tag leaves the older record of a covered write hidden) {
  // The tier holds version 1 without the tag: no purge will find it.
  write("a", 5, {"red"});
  missed.note({kind::tag, 0, "red"}, 10);
  write("b", 6, {"red"});
  CAF_CHECK(hides("a", 1));
  CAF_CHECK(hides("b", 1));
  missed.replayed(missed.next(10));
  auto batch = missed.next(10);
  CAF_CHECK(batch.puts.empty());
  CAF_CHECK_EQUAL(batch.gone.size(), 2u);
}

CAF_TEST(the same purge again takes the larger version) {
  missed.note({kind::tag, 0, "red"}, 10);
  missed.note({kind::tag, 0, "red"}, 30);
  missed.note({kind::tag, 0, "red"}, 20);
  CAF_CHECK_EQUAL(missed.size(), 1u);
  auto batch = missed.next(1);
  CAF_REQUIRE(batch.purge.has_value());
  CAF_CHECK_EQUAL(batch.purge.value().up_to, 30u);
}

CAF_TEST(a purge that became newer during the replay stays) {
  missed.note({kind::tag, 0, "red"}, 10);
  auto batch = missed.next(1);
  missed.note({kind::tag, 0, "red"}, 30);
  missed.replayed(batch);
  CAF_CHECK_EQUAL(missed.size(), 1u);
}

CAF_TEST(what fails does not keep others back) {
  for (int i = 0; i < 50; ++i)
    write("k" + std::to_string(i), 5);
  std::set<std::string> seen;
  for (int round = 0; round < 17; ++round) {
    auto batch = missed.next(3);
    CAF_CHECK_EQUAL(batch.puts.size(), 3u);
    for (auto& x : batch.puts)
      seen.insert(x.key);
  }
  CAF_CHECK_EQUAL(seen.size(), 50u);
  CAF_CHECK_EQUAL(missed.next(1000).puts.size(), 50u);
}

CAF_TEST(purges take turns with each other and with the rest) {
  missed.note({kind::tag, 0, "red"}, 10);
  missed.note({kind::tag, 0, "blue"}, 10);
  write("a", 20);
  CAF_CHECK(missed.next(9).purge.value().what.text == "red");
  CAF_CHECK(missed.other_next());
  CAF_CHECK_EQUAL(missed.next(9).puts.size(), 1u);
  CAF_CHECK(!missed.other_next());
  auto blue = missed.next(9);
  CAF_CHECK(blue.purge.value().what.text == "blue");
  missed.replayed(blue);
  CAF_CHECK(missed.next(9).purge.value().what.text == "red");
}

CAF_TEST(too many notes raise the floor) {
  for (version_t i = 1; i <= 101; ++i)
    write("k" + std::to_string(i), i);
  CAF_CHECK_EQUAL(missed.size(), 1u);
  CAF_REQUIRE(missed.next(1).purge.has_value());
  CAF_CHECK(*missed.next(1).purge == (missed_purge{{kind::all, 0, ""}, 101}));
  CAF_CHECK_EQUAL(missed.bytes(), 0u);
  CAF_CHECK_EQUAL(missed.floor(), 101u);
  CAF_CHECK_EQUAL(missed.overflows(), 1u);
  CAF_CHECK(hides("anything", 101));
  CAF_CHECK(!hides("anything", 102));
  CAF_CHECK(missed.hides_any());
}

CAF_TEST(too many bytes raise the floor) {
  missed_writes small{100, 1000};
  auto big = blob::build(2000, [](char* out) { std::memset(out, 'x', 2000); });
  small.note(entry{key("a"), {big, 7, 0, {}}});
  CAF_CHECK(small.next(1).purge.has_value());
  CAF_CHECK_EQUAL(small.floor(), 7u);
}

CAF_TEST(too many purges raise the floor) {
  for (version_t i = 1; i <= missed_writes::max_purges; ++i)
    missed.note({kind::tag, 0, std::to_string(i)}, i);
  CAF_CHECK_EQUAL(missed.floor(), 0u);
  missed.note({kind::tag, 0, "one more"}, 1000);
  CAF_CHECK_EQUAL(missed.floor(), 1000u);
  CAF_CHECK_EQUAL(missed.size(), 1u);
}

CAF_TEST(the floor never goes down and old notes below it are pointless) {
  write("newest", 500);
  for (version_t i = 1; i <= 100; ++i)
    write("k" + std::to_string(i), i);
  CAF_CHECK_EQUAL(missed.floor(), 500u);
  write("a", 499);
  gone("a", 500);
  missed.note({kind::all, 0, ""}, 500);
  CAF_CHECK_EQUAL(missed.size(), 1u);
  missed.replayed(missed.next(1));
  CAF_CHECK(missed.empty());
  write("a", 499);
  CAF_CHECK(missed.empty());
  write("a", 501);
  CAF_CHECK_EQUAL(missed.size(), 1u);
}

CAF_TEST(a superseded write is removed and not written by the replay) {
  write("a", 5);
  write("b", 5, {"red"});
  write("c", 5);
  missed.supersede(key("a"), 6);
  missed.supersede(key("c"), 5);
  missed.supersede(key("none"), 6);
  missed.supersede({kind::tag, 0, "red"}, 5);
  auto batch = missed.next(10);
  CAF_REQUIRE_EQUAL(batch.puts.size(), 1u);
  CAF_CHECK_EQUAL(batch.puts[0].key, key("c"));
  CAF_CHECK_EQUAL(batch.gone.size(), 2u);
  CAF_CHECK(hides("a", 5));
  CAF_CHECK(!hides("a", 6));
  CAF_CHECK(hides("b", 5));
  CAF_CHECK_EQUAL(missed.size(), 3u);
}

CAF_TEST(overwriting a note gives its bytes back) {
  write("a", 1);
  auto bytes = missed.bytes();
  write("a", 2);
  CAF_CHECK_EQUAL(missed.bytes(), bytes);
}

CAF_TEST_FIXTURE_SCOPE_END()
