#define CAF_SUITE tiers.invalidation_event

#include "tiers/invalidation_event.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;

namespace {

invalidation_event back(const invalidation_event& x) {
  return std::get<invalidation_event>(*parse_backplane_message(to_json(x)));
}

std::string complaint(std::string_view text) {
  auto x = parse_backplane_message(text);
  return x ? "" : x.error().detail;
}

} // namespace

CAF_TEST(events of keys survive the way) {
  invalidation_event x{"9f", 17, "change", {}, {}, 0};
  x.keys = {{qualify(0, "user:7"), 111}, {qualify(300, ""), ~version_t{0}}};
  CAF_CHECK(back(x) == x);
  CAF_CHECK_EQUAL(
    to_json({"9f", 1, "w", {{qualify(2, "a\"b"), 5}}, {}, 0}),
    R"({"node":"9f","seq":1,"reason":"w","keys":[{"key":"a\"b","tenant":2,"version":5}]})");
}

CAF_TEST(keys that are not text go as hexadecimal digits) {
  invalidation_event x{"9f", 1, "change", {}, {}, 0};
  x.keys = {{qualify(0, std::string{"\0\xff\xc3", 3}), 1}};
  CAF_CHECK(to_json(x).find("\"key_hex\":\"00ffc3\"") != std::string::npos);
  CAF_CHECK(back(x) == x);
}

CAF_TEST(events of selectors survive the way) {
  using kind = selector::kind;
  for (auto what : {kind::key, kind::prefix, kind::glob, kind::tag,
                    kind::tenant, kind::all}) {
    invalidation_event x{"9f", 2, "purge", {}, {what, 7, "t"}, 99};
    CAF_CHECK(back(x) == x);
  }
  invalidation_event binary{"9f", 2, "", {}, {kind::tag, 0, "\xfe"}, 9};
  CAF_CHECK(back(binary) == binary);
}

CAF_TEST(beats survive the way) {
  node_beat x{"9f", 3, 18, 250, {{"a0", 41}, {"b1", 2}}, true};
  CAF_CHECK(std::get<node_beat>(*parse_backplane_message(to_json(x))) == x);
}

CAF_TEST(other programs may ask for less) {
  auto x = parse_backplane_message(R"({"key":"user:7","reason":"why","x":[]})");
  CAF_REQUIRE(x);
  auto& event = std::get<invalidation_event>(*x);
  CAF_CHECK(event.node.empty());
  CAF_CHECK(event.what == (selector{selector::kind::key, 0, "user:7"}));
  CAF_CHECK_EQUAL(event.reason, "why");
  CAF_CHECK(parse_backplane_message(R"({"kind":"all"})"));
}

CAF_TEST(what is no message is refused with a reason) {
  CAF_CHECK_EQUAL(complaint(""), "not a JSON object");
  CAF_CHECK_EQUAL(complaint("[1]"), "not a JSON object");
  CAF_CHECK_EQUAL(complaint("{}"), "neither keys nor a key nor a kind");
  CAF_CHECK_EQUAL(complaint(R"({"kind":"some"})"), "unknown kind");
  CAF_CHECK_EQUAL(complaint(R"({"key":7})"), "key is not a string");
  CAF_CHECK_EQUAL(complaint(R"({"key_hex":"0g"})"),
                  "what ends in _hex is not hexadecimal");
  CAF_CHECK_EQUAL(complaint(R"({"key_hex":"012"})"),
                  "what ends in _hex has an odd length");
  CAF_CHECK_EQUAL(complaint(R"({"key":"a","tenant":65536})"),
                  "tenant is too large");
  CAF_CHECK_EQUAL(complaint(R"({"key":"a","tenant":-1})"),
                  "tenant is not a number");
  CAF_CHECK_EQUAL(complaint(R"({"key":"a","node":"9f"})"),
                  "node and seq belong together");
  CAF_CHECK_EQUAL(complaint(R"({"keys":[7]})"),
                  "an element of keys is not an object");
  CAF_CHECK_EQUAL(complaint(R"({"keys":{}})"), "keys is not an array");
  CAF_CHECK_EQUAL(complaint(R"({"beat":1})"), "a beat has no node");
  CAF_CHECK_EQUAL(complaint(R"({"beat":1,"node":"a","seen":[]})"),
                  "seen is not an object");
}
