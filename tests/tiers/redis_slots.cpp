#define CAF_SUITE tiers.redis_slots

#include "tiers/redis_slots.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;

CAF_TEST(the checksum is that of the specification) {
  CAF_CHECK_EQUAL(crc16("123456789"), 0x31c3u);
  CAF_CHECK_EQUAL(crc16(""), 0u);
}

// By CLUSTER KEYSLOT of Redis 7.0.15.
CAF_TEST(slots are those that Redis computes) {
  CAF_CHECK_EQUAL(redis_slot_of("foo"), 12182u);
  CAF_CHECK_EQUAL(redis_slot_of("bar"), 5061u);
  CAF_CHECK_EQUAL(redis_slot_of("somekey"), 11058u);
  CAF_CHECK_EQUAL(redis_slot_of("terrace:0:user:1"), 13312u);
  CAF_CHECK_EQUAL(redis_slot_of("\xff\x80"), 4727u);
  CAF_CHECK_EQUAL(redis_slot_of(""), 0u);
}

CAF_TEST(of a name with a tag only the tag counts) {
  auto same = [](std::string_view x, std::string_view y) {
    return redis_slot_of(x) == redis_slot_of(y);
  };
  // The examples of the specification.
  CAF_CHECK(same("{user1000}.following", "{user1000}.followers"));
  CAF_CHECK(same("{user1000}.following", "user1000"));
  CAF_CHECK(same("foo{{bar}}zap", "{bar"));
  CAF_CHECK(same("foo{bar}{zap}", "bar"));
}

CAF_TEST(braces that enclose nothing are no tag) {
  CAF_CHECK_EQUAL(redis_slot_of("foo{}{bar}"), 8363u);
  CAF_CHECK_EQUAL(redis_slot_of("foo{bar"), 15278u);
}
