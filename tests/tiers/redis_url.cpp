#define CAF_SUITE tiers.redis_url

#include "tiers/redis_url.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;

namespace {

/// The error for `url`, which must be refused.
std::string refusal(std::string_view url) {
  auto x = read_redis_url(url);
  if (x)
    CAF_FAIL("accepted: " << url);
  CAF_CHECK(x.error().code == errc::invalid_argument);
  return x.error().detail;
}

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

CAF_TEST(a good url becomes an address) {
  auto x = read_redis_url("redis://ada:s3cret@10.0.0.7:6380/12");
  CAF_REQUIRE(x);
  CAF_CHECK_EQUAL(x->user, "ada");
  CAF_CHECK_EQUAL(x->password, "s3cret");
  CAF_CHECK_EQUAL(x->host, "10.0.0.7");
  CAF_CHECK_EQUAL(x->port, 6380);
  CAF_CHECK_EQUAL(x->db, 12u);
  auto y = read_redis_url("unix:///run/a%20b.sock?db=4");
  CAF_REQUIRE(y);
  CAF_CHECK_EQUAL(y->path, "/run/a b.sock");
  CAF_CHECK_EQUAL(y->db, 4u);
}

CAF_TEST(a bad url is refused with the forms that are known) {
  for (auto url : {"", "h:6379", "http://h", "redis://", "redis://h:0",
                   "redis://h/x", "redis://%zz", "unix://"}) {
    auto text = refusal(url);
    CAF_CHECK(says(text, url));
    CAF_CHECK(says(text, "redis://[[user]:password@]host[:port][/db]"));
    CAF_CHECK(says(text, "unix://path[?db=n]"));
  }
}

CAF_TEST(the missing of TLS is said in plain words) {
  auto text = refusal("rediss://h");
  CAF_CHECK(says(text, "TLS is not available with this hiredis"));
  CAF_CHECK(says(text, "stunnel"));
}

CAF_TEST(no error repeats the password) {
  for (auto url : {"redis://u:secret@h:x", "redis://secret@h",
                   "rediss://u:secret@h", "redis://u:secret%@h"})
    CAF_CHECK(!says(refusal(url), "secret"));
}
