#define CAF_SUITE tiers.codec

#include <caf/test/unit_test.hpp>

#include "tiers/codec.hpp"

#include <string>

using namespace terrace;

namespace {

constexpr std::size_t header_size = 32;

record make(std::string_view value, std::vector<std::string> tags = {}) {
  return {blob::copy(value), 7, 1234, std::move(tags)};
}

/// Bytes without any pattern, the same in every run (xorshift64).
std::string noise(std::size_t size) {
  std::string result;
  std::uint64_t x = 88172645463325252u;
  while (result.size() < size) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    result += static_cast<char>(x);
  }
  return result;
}

struct fixture {
  codec uut{compression_options{}};

  std::string encode(std::string_view key, const record& x) {
    std::string result;
    auto ok = uut.encode(key, x, result);
    CAF_REQUIRE(ok);
    return result;
  }

  void round_trip(const record& x) {
    auto bytes = encode("\0\0key", x);
    auto back = uut.decode("\0\0key", bytes);
    CAF_REQUIRE(back);
    CAF_CHECK(*back == x);
  }

  errc code_of(std::string_view key, std::string_view bytes) {
    auto x = uut.decode(key, bytes);
    return x ? errc::none : x.error().code;
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(codec_tests, fixture)

CAF_TEST(records come back as they went in) {
  round_trip(make(""));
  round_trip(make("value"));
  round_trip(make(std::string(100'000, 'x')));
  round_trip(make(noise(100'000)));
  round_trip(make("", {"a"}));
  round_trip(make("value", {"", "a", std::string(65535, 't')}));
  round_trip(make(std::string(5000, 'x'), {"a", "b"}));
  round_trip({blob::copy("v"), ~version_t{0}, -1, {}});
}

CAF_TEST(small values are not compressed) {
  auto bytes = encode("k", make(std::string(1023, 'x')));
  CAF_CHECK_EQUAL(bytes.size(), header_size + 1023);
  CAF_CHECK_EQUAL(uut.stats().compressed, 0u);
  CAF_CHECK_EQUAL(uut.stats().incompressible, 0u);
}

CAF_TEST(compressible values shrink and are counted) {
  auto bytes = encode("k", make(std::string(1024, 'x')));
  CAF_CHECK_LESS(bytes.size(), 100u);
  auto stats = uut.stats();
  CAF_CHECK_EQUAL(stats.compressed, 1u);
  CAF_CHECK_EQUAL(stats.raw_bytes, 1024u);
  CAF_CHECK_EQUAL(stats.compressed_bytes, bytes.size() - header_size);
}

CAF_TEST(incompressible values stay plain) {
  auto bytes = encode("k", make(noise(4096)));
  CAF_CHECK_EQUAL(bytes.size(), header_size + 4096);
  CAF_CHECK_EQUAL(uut.stats().incompressible, 1u);
}

CAF_TEST(an entry may ask not to be compressed and keeps that wish) {
  auto x = make(std::string(1024, 'x'));
  x.compress = false;
  round_trip(x);
  CAF_CHECK_EQUAL(encode("k", x).size(), header_size + 1024);
  CAF_CHECK_EQUAL(uut.stats().compressed, 0u);
}

CAF_TEST(compression can be switched off) {
  codec plain{compression_options{false, 0, 3}};
  std::string bytes;
  CAF_REQUIRE(plain.encode("k", make(std::string(4096, 'x')), bytes));
  CAF_CHECK_EQUAL(bytes.size(), header_size + 4096);
  CAF_CHECK(uut.decode("k", bytes)); // readable with any setting
}

CAF_TEST(every changed byte is noticed) {
  for (auto& x : {make("some value", {"tag", "other"}),
                  make(std::string(2000, 'x'), {"tag"})}) {
    auto bytes = encode("key", x);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        auto damaged = bytes;
        damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
        // The second byte is the format: others are not ours to judge.
        auto expected = i == 1 ? errc::unsupported_format : errc::corrupt;
        CAF_REQUIRE_EQUAL(code_of("key", damaged), expected);
      }
    }
  }
}

CAF_TEST(truncated and extended records are corrupt) {
  auto bytes = encode("key", make(std::string(1500, 'x'), {"tag"}));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CAF_REQUIRE_EQUAL(code_of("key", std::string_view{bytes}.substr(0, size)),
                      errc::corrupt);
  CAF_CHECK_EQUAL(code_of("key", bytes + '\0'), errc::corrupt);
}

CAF_TEST(a record read under another key is corrupt) {
  auto bytes = encode("key", make("value"));
  CAF_CHECK_EQUAL(code_of("kez", bytes), errc::corrupt);
  CAF_CHECK_EQUAL(code_of("ke", bytes), errc::corrupt);
  CAF_CHECK_EQUAL(uut.stats().corrupt, 2u);
}

CAF_TEST(records of a later format are not called corrupt) {
  auto bytes = encode("key", make("value"));
  bytes[1] = 2;
  CAF_CHECK_EQUAL(code_of("key", bytes), errc::unsupported_format);
  CAF_CHECK_EQUAL(uut.stats().corrupt, 0u);
}

CAF_TEST(headers and tags can be read alone) {
  auto bytes = encode("key", make(std::string(3000, 'x'), {"a", "b"}));
  auto head = codec::peek(bytes);
  CAF_REQUIRE(head);
  CAF_CHECK_EQUAL(head->version, 7u);
  CAF_CHECK_EQUAL(head->expires_ms, 1234);
  CAF_CHECK_EQUAL(head->value_size, 3000u);
  CAF_CHECK(head->compressed);
  CAF_CHECK(head->tagged);
  CAF_CHECK_EQUAL(codec::peek_tags(bytes),
                  std::vector<std::string>({"a", "b"}));
  CAF_CHECK(!codec::peek("too short"));
  CAF_CHECK(codec::peek_tags("too short").empty());
}

CAF_TEST(what the layout cannot hold is refused and leaves no trace) {
  std::string out = "before";
  auto too_long = uut.encode("k", make("v", {std::string(65536, 't')}), out);
  CAF_REQUIRE(!too_long);
  CAF_CHECK_EQUAL(too_long.error().code, errc::too_large);
  auto too_many = uut.encode("k", make("v", std::vector<std::string>(65536)),
                             out);
  CAF_REQUIRE(!too_many);
  CAF_CHECK_EQUAL(too_many.error().code, errc::too_large);
  CAF_CHECK_EQUAL(out, "before");
}

CAF_TEST_FIXTURE_SCOPE_END()
