#define CAF_SUITE config.redis_url

#include "config/redis_url.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;

namespace {

redis_address tcp(std::string host, std::uint16_t port = 6379,
                  std::uint32_t db = 0) {
  redis_address result;
  result.host = std::move(host);
  result.port = port;
  result.db = db;
  return result;
}

redis_address login(redis_address x, std::string user, std::string password) {
  x.user = std::move(user);
  x.password = std::move(password);
  return x;
}

} // namespace

CAF_TEST(a TCP address has defaults for port and database) {
  CAF_CHECK(parse_redis_url("redis://localhost") == tcp("localhost"));
  CAF_CHECK(parse_redis_url("redis://localhost/") == tcp("localhost"));
  CAF_CHECK(parse_redis_url("redis://10.0.0.1:7000/3")
            == tcp("10.0.0.1", 7000, 3));
  CAF_CHECK(parse_redis_url("redis://[::1]:7000") == tcp("::1", 7000));
}

CAF_TEST(user and password are decoded) {
  CAF_CHECK(parse_redis_url("redis://:pw@h") == login(tcp("h"), "", "pw"));
  CAF_CHECK(parse_redis_url("redis://me:pw@h:1/2")
            == login(tcp("h", 1, 2), "me", "pw"));
  CAF_CHECK(parse_redis_url("redis://:a%40b%2f:c@h")
            == login(tcp("h"), "", "a@b/:c"));
  CAF_CHECK(parse_redis_url("redis://:a@/b@h") == login(tcp("h"), "", "a@/b"));
}

CAF_TEST(a Unix socket may name a database) {
  redis_address expected;
  expected.path = "/run/redis.sock";
  CAF_CHECK(parse_redis_url("unix:///run/redis.sock") == expected);
  expected.db = 5;
  CAF_CHECK(parse_redis_url("unix:///run/redis.sock?db=5") == expected);
}

CAF_TEST(anything else is refused) {
  for (auto url : {"",
                   "localhost:6379",
                   "http://h",
                   "rediss://h",
                   "redis:h",
                   "redis://",
                   "redis://:6379",
                   "redis://h:",
                   "redis://h:0",
                   "redis://h:65536",
                   "redis://h:x",
                   "redis://h/x",
                   "redis://h/-1",
                   "redis://h/65536",
                   "redis://pw@h",
                   "redis://me:@h",
                   "redis://:%zz@h",
                   "redis://:%4@h",
                   "redis://:%00@h",
                   "redis://a b",
                   "redis://[::1",
                   "redis://[]",
                   "redis://[h]",
                   "redis://[::1]6379",
                   "redis://h/0?x=1",
                   "unix://",
                   "unix:///s?db=",
                   "unix:///s?db=x",
                   "unix:///s?x=1"})
    CAF_CHECK(!parse_redis_url(url));
  CAF_CHECK(!parse_redis_url("unix://" + std::string(108, 'x')));
}

CAF_TEST(the password is hidden and the rest is not ) {
  CAF_CHECK_EQUAL(mask_redis_url("redis://h:1/2"), "redis://h:1/2");
  CAF_CHECK_EQUAL(mask_redis_url("redis://:pw@h"), "redis://:***@h");
  CAF_CHECK_EQUAL(mask_redis_url("redis://me:p@w@h"), "redis://me:***@h");
  CAF_CHECK_EQUAL(mask_redis_url("redis://pw@h"), "redis://***@h");
  CAF_CHECK_EQUAL(mask_redis_url("pw@h"), "***@h");
  CAF_CHECK_EQUAL(mask_redis_url("unix:///a@b"), "unix:///a@b");
}

CAF_TEST(a list is split where a scheme follows a comma) {
  using urls = std::vector<std::string_view>;
  CAF_CHECK(split_redis_urls("redis://h") == urls{"redis://h"});
  CAF_CHECK((split_redis_urls("redis://:a,b@h:1,unix:///s, redis://i")
             == urls{"redis://:a,b@h:1", "unix:///s", "redis://i"}));
  CAF_CHECK((split_redis_urls("redis://h,i:2,") == urls{"redis://h,i:2,"}));
  CAF_CHECK(split_redis_urls("") == urls{""});
}

CAF_TEST(every password of a list is hidden) {
  CAF_CHECK_EQUAL(mask_redis_urls("redis://:a@h, redis://u:b@i,unix:///s"),
                  "redis://:***@h,redis://u:***@i,unix:///s");
}
