#define CAF_SUITE messages.values

#include "messages/glob.hpp"
#include "messages/interfaces.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/test/unit_test.hpp>

#include <set>

using namespace terrace;

namespace {

struct config : caf::actor_system_config {
  config() {
    add_terrace_types(*this);
  }
};

struct fixture {
  config cfg;
  caf::actor_system sys{cfg};

  /// Sends a value through the wire format and back.
  template <class T>
  T round_trip(T x) {
    std::vector<char> buffer;
    caf::binary_serializer sink{sys, buffer};
    if (auto why = sink(x))
      CAF_FAIL("cannot serialize: " << sys.render(why));
    T result;
    caf::binary_deserializer source{sys, buffer};
    if (auto why = source(result))
      CAF_FAIL("cannot deserialize: " << sys.render(why));
    return result;
  }

  template <class T>
  void check(T x) {
    CAF_CHECK(round_trip(x) == x);
    // The same inside a message, as actors of two nodes would exchange it.
    caf::message msg = round_trip(caf::make_message(x));
    CAF_REQUIRE(msg.template match_elements<T>());
    CAF_CHECK(msg.template get_as<T>(0) == x);
  }
};

record sample_record() {
  return {blob::copy("value"), 7, 1'700'000'000'000, {"a", "b"}};
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(values_tests, fixture)

CAF_TEST(every value survives the wire) {
  std::string binary{"\0\xff\r\n", 4};
  check(blob{});
  check(blob::copy(binary));
  check(blob::copy(std::string(1 << 20, 'x')));
  check(record{});
  check(sample_record());
  check(record{blob::copy("v"), 1, 0, {}, false});
  check(entry{qualify(3, "k"), sample_record()});
  check(entries{{"k", {}}, {"l", sample_record()}});
  check(entry_batch{});
  check(entry_batch{{{"k", sample_record()}}});
  check(removal{"k", 9});
  check(lookup::missed());
  check(lookup::found(sample_record(), tier_kind::disk));
  check(lookup::failed(errc::corrupt));
  check(store_report{1, 2, 3, {errc::no_space, "full"}});
  check(remove_report{{true, false, true}, {}});
  check(key_page{{"a", "b"}, "c", false});
  check(selector{selector::kind::glob, 2, "u:*"});
  check(failure{errc::timeout, "50 ms"});
  check(claim{lookup::missed(), 5});
  check(list_request{1, "*", "c", 10});
  check(setting{"memory.max_size", "1GiB"});
  check(memory_limits{2u << 30, 1u << 30, 5, "lru"});
  check(scan_request{1, "*", 42, 10});
  check(scan_page{43, {"k"}});
  check(invalidation_report{{{"disk", 4}}, {"redis"}});
  mutation change;
  change.what = mutation::op::expire;
  change.when = mutation::condition::if_later;
  change.keep_expiry = true;
  change.want_old = true;
  change.tiers = bit(tier_kind::disk);
  change.key = "k";
  change.value = blob::copy("v");
  change.expires_ms = -1;
  change.tags = {"t"};
  change.compress = false;
  check(change);
  check(mutation_result{errc::too_large, true, true, 11, sample_record()});
  latency_recorder recorder;
  recorder.record(std::chrono::microseconds(3));
  tier_status tier;
  tier.tier = tier_kind::redis;
  tier.state = "down";
  tier.hits = 5;
  tier.extra = {{"x", 1}};
  tier.fetch_latency = recorder.snapshot();
  check(tier);
  check(actor_status{"a", {{"n", 2}}, {}});
  node_report report;
  report.tiers = {tier};
  report.silent = {"resp"};
  report.requests = 3;
  check(report);
}

CAF_TEST(a blob travels inside the node as a pointer) {
  auto x = blob::copy("shared");
  auto msg = caf::make_message(x);
  CAF_CHECK_EQUAL(msg.get_as<blob>(0).view().data(), x.view().data());
  CAF_CHECK_EQUAL(x.use_count(), 2u);
}

CAF_TEST(errors carry their code and text through CAF) {
  auto err = make_error(errc::no_space, "disk");
  CAF_CHECK(to_failure(err) == (failure{errc::no_space, "disk"}));
  CAF_CHECK_EQUAL(sys.render(err),
                  "The device or memory that holds the tier is full. (disk)");
  CAF_CHECK(to_failure(caf::error{caf::sec::request_timeout}).code
            == errc::timeout);
  CAF_CHECK(!to_failure(caf::error{}));
}

CAF_TEST_FIXTURE_SCOPE_END()

CAF_TEST(every error code has a name and a sentence of its own) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < errc_count; ++i) {
    auto code = static_cast<errc>(i);
    names.insert(to_string(code));
    CAF_CHECK(sentence(code).ends_with('.'));
  }
  CAF_CHECK_EQUAL(names.size(), errc_count);
}

CAF_TEST(keys carry their tenant in front) {
  auto key = qualify(0x0102, "user:7");
  CAF_CHECK_EQUAL(key.size(), 8u);
  CAF_CHECK_EQUAL(tenant_of(key), 0x0102);
  CAF_CHECK_EQUAL(user_key(key), "user:7");
  CAF_CHECK(key.starts_with(tenant_prefix(0x0102)));
  CAF_CHECK(!is_qualified("x"));
}

CAF_TEST(globs match as in Redis) {
  struct row {
    std::string_view pattern;
    std::string_view text;
    bool expected;
  };
  // Expected values are those of Redis' KEYS for the same patterns.
  for (auto& [pattern, text, expected] :
       std::initializer_list<row>{{"*", "", true},
                                  {"", "", true},
                                  {"", "a", false},
                                  {"h?llo", "hello", true},
                                  {"h?llo", "hllo", false},
                                  {"h*llo", "heeeello", true},
                                  {"h[ae]llo", "hallo", true},
                                  {"h[ae]llo", "hillo", false},
                                  {"h[^e]llo", "hello", false},
                                  {"h[^e]llo", "hallo", true},
                                  {"h[a-c]llo", "hbllo", true},
                                  {"h[c-a]llo", "hbllo", true},
                                  {"h\\*llo", "h*llo", true},
                                  {"h\\*llo", "hxllo", false},
                                  {"*a*b*c*", "xxaxxbxxcxx", true},
                                  {"*a*b*c*", "xxaxxcxxbxx", false},
                                  {"a**", "a", true},
                                  {"[", "[", false},
                                  {"[abc", "a", true},
                                  {"user:*:name", "user:1:2:name", true},
                                  {"\\", "\\", true}}) {
    CAF_MESSAGE(pattern << " on " << text);
    CAF_CHECK_EQUAL(glob_match(pattern, text), expected);
  }
  CAF_CHECK_EQUAL(glob_literal_prefix("user:*:x"), "user:");
  CAF_CHECK_EQUAL(glob_literal_prefix("plain"), "plain");
}

CAF_TEST(a hostile glob takes polynomial time) {
  // Exponential matchers would need about 2^30 steps here.
  std::string pattern;
  for (int i = 0; i < 30; ++i)
    pattern += "a*";
  pattern += 'b';
  CAF_CHECK(!glob_match(pattern, std::string(2000, 'a')));
}

CAF_TEST(selectors mean what they say) {
  std::vector<std::string> tags{"news", "de"};
  auto key = qualify(1, "user:7:name");
  auto means = [&](selector::kind what, tenant_id tenant, std::string text) {
    return selector{what, tenant, std::move(text)}.matches(key, tags);
  };
  using kind = selector::kind;
  CAF_CHECK(means(kind::key, 1, "user:7:name"));
  CAF_CHECK(!means(kind::key, 0, "user:7:name"));
  CAF_CHECK(!means(kind::key, 1, "user:7"));
  CAF_CHECK(means(kind::prefix, 1, "user:7"));
  CAF_CHECK(!means(kind::prefix, 1, "user:8"));
  CAF_CHECK(means(kind::glob, 1, "user:*:name"));
  CAF_CHECK(means(kind::tag, 1, "de"));
  CAF_CHECK(!means(kind::tag, 1, "d"));
  CAF_CHECK(!means(kind::tag, 2, "de"));
  CAF_CHECK(means(kind::tenant, 1, ""));
  CAF_CHECK(!means(kind::tenant, 0, ""));
  CAF_CHECK(means(kind::all, 9, ""));
}
