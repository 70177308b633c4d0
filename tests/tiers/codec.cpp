#define CAF_SUITE tiers.codec

#include <caf/test/unit_test.hpp>

#include "tests/support/json_values.hpp"
#include "tiers/codec.hpp"

#include <string>
#include <thread>

using namespace terrace;
using namespace terrace::test;

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

/// A codec with a dictionary for users.
struct dictionary_fixture {
  compression_options opts;
  dictionary_set_ptr set = std::make_shared<dictionary_set>(opts);
  codec uut{opts, set};
  std::string key = qualify(0, "user:1");
  dictionary_ptr dict = make_dictionary(0);

  static dictionary_ptr make_dictionary(std::uint64_t seed) {
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

  void adopt() {
    CAF_REQUIRE(set->add(dict->stored()));
    for (auto& x : uut.wanted())
      uut.adopt(x);
  }

  std::string encode(const record& x) {
    std::string result;
    CAF_REQUIRE(uut.encode(key, x, result));
    return result;
  }

  std::string encode(std::uint64_t i) {
    return encode(make(json_value(i)));
  }

  errc code_of(const codec& by, std::string_view bytes) {
    auto x = by.decode(key, bytes);
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

CAF_TEST_FIXTURE_SCOPE(dictionary_tests, dictionary_fixture)

CAF_TEST(small values with an adopted dictionary shrink and come back) {
  adopt();
  for (std::uint64_t i = 1000; i < 1100; ++i) {
    auto x = make(json_value(i), {"a", "tag"});
    auto bytes = encode(x);
    CAF_REQUIRE_LESS(bytes.size() * 2, x.value.size() + 2 * header_size);
    CAF_REQUIRE_EQUAL(codec::dictionary_of(bytes), dict->id());
    CAF_REQUIRE_EQUAL(codec::peek_tags(bytes), x.tags);
    auto head = codec::peek(bytes);
    CAF_REQUIRE(head && head->compressed);
    auto back = uut.decode(key, bytes);
    CAF_REQUIRE(back);
    CAF_REQUIRE(*back == x);
  }
  auto stats = uut.stats();
  CAF_CHECK_EQUAL(stats.compressed, 100u);
  CAF_CHECK_EQUAL(stats.dictionary_compressed, 100u);
  CAF_CHECK_EQUAL(stats.raw_bytes, stats.dictionary_raw_bytes);
  CAF_CHECK_EQUAL(stats.compressed_bytes, stats.dictionary_compressed_bytes);
  CAF_CHECK_GREATER(stats.compress_ns, 0u);
  CAF_CHECK_GREATER(stats.decompress_ns, 0u);
}

CAF_TEST(no record is written with a dictionary that is not adopted) {
  CAF_CHECK(!uut.wants_any() || uut.wanted().empty());
  CAF_REQUIRE(set->add(dict->stored()));
  CAF_CHECK(uut.wants_any());
  CAF_CHECK_EQUAL(codec::dictionary_of(encode(5000)), 0u);
  auto wanted = uut.wanted();
  CAF_REQUIRE_EQUAL(wanted.size(), 1u);
  CAF_CHECK(!uut.wants_any());
  CAF_CHECK_EQUAL(codec::dictionary_of(encode(5000)), 0u);
  uut.adopt(wanted[0]);
  CAF_CHECK(uut.adopted() == wanted);
  CAF_CHECK_EQUAL(codec::dictionary_of(encode(5000)), dict->id());
  CAF_CHECK(uut.wanted().empty());
}

CAF_TEST(a forsaken dictionary is wanted again) {
  adopt();
  auto bytes = encode(5000);
  uut.forsake(dict->id());
  CAF_CHECK_EQUAL(codec::dictionary_of(encode(5000)), 0u);
  CAF_CHECK_EQUAL(code_of(uut, bytes), errc::none);
  CAF_CHECK(uut.wants_any());
  CAF_CHECK_EQUAL(uut.wanted().size(), 1u);
}

CAF_TEST(values that are too small or too large or of others go without) {
  adopt();
  CAF_CHECK_EQUAL(codec::dictionary_of(encode(make(std::string(127, 'x')))),
                  0u);
  CAF_CHECK_EQUAL(
    codec::dictionary_of(encode(make(std::string((16 << 10) + 1, 'x')))), 0u);
  auto x = make(json_value(1));
  x.compress = false;
  CAF_CHECK_EQUAL(codec::dictionary_of(encode(x)), 0u);
  key = qualify(0, "item:1");
  CAF_CHECK_EQUAL(codec::dictionary_of(encode(5000)), 0u);
}

CAF_TEST(what a dictionary does not make smaller stays plain) {
  adopt();
  auto x = make(noise(500), {"a", "b"});
  auto bytes = encode(x);
  CAF_CHECK_EQUAL(codec::dictionary_of(bytes), 0u);
  CAF_CHECK_EQUAL(bytes.size(), header_size + 2 + 3 + 3 + 500);
  auto back = uut.decode(key, bytes);
  CAF_REQUIRE(back);
  CAF_CHECK(*back == x);
  CAF_CHECK_EQUAL(uut.stats().incompressible, 1u);
}

CAF_TEST(a record whose dictionary is not known is whole but cannot be read) {
  adopt();
  auto bytes = encode(5000);
  codec stranger{opts, std::make_shared<dictionary_set>(opts)};
  CAF_CHECK_EQUAL(code_of(stranger, bytes), errc::unsupported_format);
  CAF_CHECK_EQUAL(stranger.stats().dictionary_missing, 1u);
  CAF_CHECK_EQUAL(stranger.stats().corrupt, 0u);
  // Damage is damage, whether the dictionary is known or not.
  auto damaged = bytes;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  CAF_CHECK_EQUAL(code_of(stranger, damaged), errc::corrupt);
  CAF_REQUIRE(stranger.add_dictionary(dict->stored()));
  CAF_CHECK_EQUAL(code_of(stranger, bytes), errc::none);
  codec without{opts};
  CAF_CHECK_EQUAL(code_of(without, bytes), errc::unsupported_format);
}

CAF_TEST(every changed byte of a record with a dictionary is noticed) {
  adopt();
  auto bytes = encode(make(json_value(5000), {"tag"}));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      auto damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      CAF_REQUIRE_EQUAL(code_of(uut, damaged),
                        i == 1 ? errc::unsupported_format : errc::corrupt);
    }
  }
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CAF_REQUIRE_EQUAL(code_of(uut, std::string_view{bytes}.substr(0, size)),
                      errc::corrupt);
}

CAF_TEST(records of an earlier dictionary are read after it was replaced) {
  adopt();
  auto old = encode(5000);
  auto next = make_dictionary(7000);
  CAF_REQUIRE(set->add(next->stored()));
  uut.adopt(next);
  auto fresh = encode(5000);
  CAF_CHECK_EQUAL(codec::dictionary_of(fresh), next->id());
  CAF_CHECK_EQUAL(codec::dictionary_of(old), dict->id());
  CAF_CHECK_EQUAL(code_of(uut, old), errc::none);
  CAF_CHECK_EQUAL(code_of(uut, fresh), errc::none);
}

CAF_TEST(what was written with a dictionary is read with any setting) {
  adopt();
  auto bytes = encode(5000);
  for (auto [enabled, dictionaries] :
       {std::pair{false, true}, std::pair{true, false}}) {
    auto off = opts;
    off.enabled = enabled;
    off.dictionaries = dictionaries;
    codec other{off, set};
    CAF_CHECK_EQUAL(code_of(other, bytes), errc::none);
    CAF_CHECK(!other.wants_any());
    CAF_CHECK(other.wanted().empty());
    std::string again;
    CAF_REQUIRE(other.encode(key, make(json_value(5000)), again));
    CAF_CHECK_EQUAL(codec::dictionary_of(again), 0u);
  }
}

CAF_TEST(figures have names and begin where it is said) {
  adopt();
  encode(1);
  auto before = uut.stats();
  encode(2);
  encode(3);
  counter_map all;
  uut.fill(all, before);
  CAF_CHECK_EQUAL(all.at("compressed"), 2u);
  CAF_CHECK_EQUAL(all.at("dictionary_compressed"), 2u);
  CAF_CHECK_EQUAL(all.at("dictionaries_adopted"), 1u);
  counter_map none;
  codec{opts}.fill(none, {});
  CAF_CHECK(!none.contains("dictionary_compressed"));
}

CAF_TEST(threads may write and read while dictionaries come and go) {
  CAF_REQUIRE(set->add(dict->stored()));
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      std::string bytes;
      for (std::uint64_t i = 0; i < 2000; ++i) {
        auto x = make(json_value(t * 10'000 + i));
        bytes.clear();
        auto ok = uut.encode(key, x, bytes);
        auto back = uut.decode(key, bytes);
        wrong += !ok || !back || *back != x;
      }
    });
  for (int i = 0; i < 200; ++i) {
    for (auto& x : uut.wanted())
      uut.adopt(x);
    uut.forsake(dict->id());
    set->train_some();
  }
  for (auto& x : threads)
    x.join();
  CAF_CHECK_EQUAL(wrong.load(), 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
