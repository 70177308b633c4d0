// What operators may ask to be removed.
#define CAF_SUITE actors.invalidation_request

#include "actors/invalidation_request.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;

namespace {

using kind = selector::kind;

invalidation_request parsed(std::string_view body) {
  auto x = parse_invalidation(body, 16);
  CAF_REQUIRE(x);
  return *x;
}

selector what(std::string_view body) {
  return parsed(body).what;
}

std::string problem(std::string_view body) {
  auto x = parse_invalidation(body, 16);
  if (x)
    return "accepted";
  CAF_CHECK_EQUAL(x.error().code, errc::invalid_argument);
  return x.error().detail;
}

constexpr auto usage = "expected one of \"key\", \"prefix\", \"pattern\", "
                       "\"tag\", \"tenant\", \"all\"";

} // namespace

CAF_TEST(each kind of selection can be asked for) {
  CAF_CHECK_EQUAL(what(R"({"key": "a"})"), (selector{kind::key, 0, "a"}));
  CAF_CHECK_EQUAL(what(R"({"prefix": "a:"})"),
                  (selector{kind::prefix, 0, "a:"}));
  CAF_CHECK_EQUAL(what(R"({"pattern": "a*", "tenant": 3})"),
                  (selector{kind::glob, 3, "a*"}));
  CAF_CHECK_EQUAL(what(R"({"tag": "red"})"), (selector{kind::tag, 0, "red"}));
  CAF_CHECK_EQUAL(what(R"({"all": true})"), (selector{kind::all, 0, ""}));
}

CAF_TEST(a tenant alone means all of it) {
  CAF_CHECK_EQUAL(what(R"({"tenant": 15})"), (selector{kind::tenant, 15, ""}));
}

CAF_TEST(a reason is passed on or made up) {
  CAF_CHECK_EQUAL(parsed(R"({"key": "a", "reason": "b"})").reason, "b");
  CAF_CHECK_EQUAL(parsed(R"({"key": "a"})").reason, "asked for over HTTP");
}

CAF_TEST(nothing or two things to remove are refused) {
  CAF_CHECK_EQUAL(problem("{}"), usage);
  CAF_CHECK_EQUAL(problem(R"({"reason": "because"})"), usage);
  CAF_CHECK_EQUAL(problem(R"({"key": "a", "tag": "b"})"),
                  std::string{usage} + ", got more than one");
  CAF_CHECK_EQUAL(problem(R"({"tenant": 1, "all": true})"),
                  "\"all\" means every tenant, so \"tenant\" contradicts it");
}

CAF_TEST(wrong types are refused by name) {
  CAF_CHECK_EQUAL(problem(R"({"key": 7})"),
                  "\"key\" must be a text that is not empty");
  CAF_CHECK_EQUAL(problem(R"({"prefix": ""})"),
                  "\"prefix\" must be a text that is not empty");
  CAF_CHECK_EQUAL(problem(R"({"all": 1})"), "\"all\" must be true");
  CAF_CHECK_EQUAL(problem(R"({"key": "a", "reason": {}})"),
                  "\"reason\" must be a text");
  for (auto bad : {"-1", "16", "1.5", "\"0\"", "99999999999999999999"})
    CAF_CHECK_EQUAL(problem(std::string{"{\"tenant\": "} + bad + "}"),
                    "\"tenant\" must be an integer from 0 to 15");
}

CAF_TEST(unknown members are refused) {
  CAF_CHECK_EQUAL(problem(R"({"patern": "a*"})"),
                  std::string{"unknown member \"patern\"; "} + usage
                    + ", and \"reason\"");
}

CAF_TEST(what is not an object is refused) {
  CAF_CHECK_EQUAL(problem(""), "the body is not valid JSON");
  CAF_CHECK_EQUAL(problem("{\"key\": \"a\""), "the body is not valid JSON");
  CAF_CHECK_EQUAL(problem("[]"), "the body must be a JSON object");
  CAF_CHECK_EQUAL(problem(std::string(100'000, '[')),
                  "the body is not valid JSON");
}

CAF_TEST(what a client writes is read back) {
  for (auto& x : {selector{kind::key, 1, "a\"b"}, selector{kind::glob, 0, "*"},
                  selector{kind::tenant, 2, ""}, selector{kind::all, 0, ""}}) {
    invalidation_request request{x, "why"};
    auto y = parse_invalidation(to_json(request), 16);
    CAF_REQUIRE(y);
    CAF_CHECK_EQUAL(*y, request);
  }
}
