// Dictionaries, the families that they are made for, and when.

#define CAF_SUITE tiers.dictionary

#include <caf/test/unit_test.hpp>

#include "messages/key.hpp"
#include "tests/support/json_values.hpp"
#include "tiers/codec_zstd.hpp"
#include "tiers/dictionary_set.hpp"

#include <cstring>
#include <set>
#include <string>
#include <string_view>

using namespace terrace;
using namespace terrace::test;

namespace {

std::string family_of(std::string_view key, tenant_id tenant = 0) {
  return std::string{dictionary_family{qualify(tenant, key)}.name()};
}

std::uint64_t hash_of(std::string_view key) {
  return dictionary_family{qualify(0, key)}.hash();
}

dictionary_ptr trained(std::string family = "0:user:*", std::uint64_t seed = 0,
                       std::size_t size = 4096) {
  dictionary_samples from;
  for (std::uint64_t i = 0; i < 400; ++i) {
    auto x = json_value(seed + i);
    from.bytes += x;
    from.sizes.push_back(x.size());
  }
  auto result = dictionary::train(from, std::move(family), size, 3);
  CAF_REQUIRE(result);
  return *result;
}

compression_options small_options() {
  compression_options result;
  result.dictionary_size = 4096;
  return result;
}

/// Values of 4,096 bytes of dictionary times 16 and every fourth: 64 KiB of
/// samples are more than 1,200 values of some 250 bytes.
constexpr std::uint64_t enough = 1400;

struct fixture {
  dictionary_set uut{small_options()};

  /// Passes values of JSON by, uncompressed.
  void pass(std::string_view key, std::uint64_t from,
            std::uint64_t n = enough) {
    dictionary_family family{qualify(0, key)};
    for (auto i = from; i < from + n; ++i)
      uut.seen(family, json_value(i), 0, 0);
  }

  /// Passes values by as if the dictionary in use left this share of them.
  void pass_compressed(const dictionary_ptr& with, double share) {
    dictionary_family family{qualify(0, "user:1")};
    for (std::uint64_t i = 0; i < dictionary_traffic::window; ++i) {
      auto x = other_json_value(i);
      uut.seen(family, x, with->id(),
               static_cast<std::size_t>(share * static_cast<double>(x.size())));
    }
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(dictionary_tests, fixture)

// -- families -----------------------------------------------------------------

CAF_TEST(keys of one form are of one family) {
  CAF_CHECK_EQUAL(family_of("user:123:profile"), "0:user:*:profile");
  CAF_CHECK_EQUAL(family_of("user:9f3a"), "0:user:*");
  CAF_CHECK_EQUAL(family_of("api/v2/items/77"), "0:api/v2/items/*");
  CAF_CHECK_EQUAL(family_of("app.cache|0d9c2b1e-11aa"), "0:app.cache|*");
  CAF_CHECK_EQUAL(family_of("plain"), "0:plain");
  CAF_CHECK_EQUAL(family_of("static-pages:home"), "0:static-pages:home");
  CAF_CHECK_EQUAL(family_of("user:someone@example.org"), "0:user:*.org");
  CAF_CHECK_EQUAL(family_of("a:b:c:d:e:f"), "0:a:b:c:d");
  CAF_CHECK_EQUAL(family_of("x:" + std::string(25, 'a')), "0:x:*");
  CAF_CHECK_EQUAL(hash_of("user:1"), hash_of("user:2"));
  CAF_CHECK_NOT_EQUAL(hash_of("user:1"), hash_of("item:1"));
}

CAF_TEST(tenants have families of their own) {
  CAF_CHECK_EQUAL(family_of("user:1", 65535), "65535:user:*");
  CAF_CHECK_NOT_EQUAL(family_of("user:1", 1), family_of("user:1", 2));
}

CAF_TEST(any bytes are a key) {
  CAF_CHECK_EQUAL(family_of(""), "0:*");
  CAF_CHECK_EQUAL(family_of("::"), "0:*:*:*");
  CAF_CHECK_EQUAL(family_of(std::string(3, '\0')), "0:*");
  CAF_CHECK_EQUAL(dictionary_family{"x"}.name(), "*");
  std::string longest;
  for (int i = 0; i < 6; ++i)
    longest += std::string(24, 'a') + ':';
  CAF_CHECK_EQUAL(family_of(longest, 65535).size(), 5u + 4 * 25);
  CAF_CHECK_EQUAL(dictionary_family::rest().hash(),
                  dictionary_family::hash_of("*"));
}

// -- dictionaries -------------------------------------------------------------

CAF_TEST(a dictionary makes small values much smaller) {
  auto dict = trained();
  CAF_CHECK_LESS_OR_EQUAL(dict->content().size(), 4096u);
  CAF_CHECK_EQUAL(dict->family(), "0:user:*");
  auto value = json_value(1'000'000);
  std::string with = "before";
  CAF_REQUIRE(zstd_append(with, value, 3, dict.get()));
  std::string without;
  if (!zstd_append(without, value, 3))
    without = value;
  CAF_CHECK_LESS(with.size() * 2, without.size());
  auto back = zstd_inflate(std::string_view{with}.substr(6), value.size(),
                           dict.get());
  CAF_REQUIRE(back);
  CAF_CHECK_EQUAL(back->view(), value);
}

CAF_TEST(a dictionary comes back from its stored form) {
  auto dict = trained();
  auto back = dictionary::load(dict->stored(), 3);
  CAF_REQUIRE(back);
  CAF_CHECK_EQUAL((*back)->id(), dict->id());
  CAF_CHECK_EQUAL((*back)->family(), dict->family());
  CAF_CHECK_EQUAL((*back)->content(), dict->content());
  CAF_CHECK_GREATER_OR_EQUAL(dict->id(), 32'768u);
  CAF_CHECK_LESS_OR_EQUAL(dict->id(), 0x7fffffffu);
}

CAF_TEST(other samples make a dictionary with another number) {
  CAF_CHECK_NOT_EQUAL(trained("f", 0)->id(), trained("f", 5000)->id());
  CAF_CHECK_EQUAL(trained("f", 0)->id(), trained("g", 0)->id());
}

CAF_TEST(too little to learn from is an error) {
  for (auto& x : {std::string{}, std::string{"x"}, std::string(5000, 'x')}) {
    auto dict = dictionary::train({x, {x.size()}}, "f", 4096, 3);
    CAF_REQUIRE(!dict);
    CAF_CHECK_EQUAL(dict.error().code, errc::invalid_argument);
  }
}

CAF_TEST(a damaged dictionary is refused) {
  auto stored = trained()->stored();
  for (std::size_t i = 0; i < stored.size(); ++i) {
    auto damaged = stored;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    auto x = dictionary::load(damaged, 3);
    CAF_REQUIRE(!x);
    CAF_REQUIRE_EQUAL(x.error().code,
                      i == 1 ? errc::unsupported_format : errc::corrupt);
  }
  for (std::size_t size = 0; size < stored.size(); size += 7)
    CAF_REQUIRE(!dictionary::load(stored.substr(0, size), 3));
}

// -- training -----------------------------------------------------------------

CAF_TEST(nothing is trained before there are enough samples) {
  CAF_CHECK(!uut.train_some());
  pass("user:1", 0, 100);
  CAF_CHECK(!uut.train_some());
  CAF_CHECK_EQUAL(uut.stats().traffic.samples, 25u); // every fourth
  CAF_CHECK_EQUAL(uut.stats().trainings, 0u);
  CAF_CHECK_EQUAL(uut.version(), 1u);
}

CAF_TEST(a family with enough values gets a dictionary of its own) {
  pass("user:1", 0);
  CAF_CHECK(uut.train_some());
  CAF_CHECK(!uut.train_some());
  auto all = uut.in_use();
  CAF_REQUIRE_EQUAL(all.size(), 1u);
  CAF_CHECK_EQUAL(all[0]->family(), "0:user:*");
  CAF_CHECK(uut.find(all[0]->id()) == all[0]);
  CAF_CHECK(!uut.find(all[0]->id() + 1));
  CAF_CHECK_EQUAL(uut.version(), 2u);
  auto x = uut.stats();
  CAF_CHECK_EQUAL(x.trainings, 1u);
  CAF_CHECK_EQUAL(x.dictionaries, 1u);
  CAF_CHECK_EQUAL(x.in_use, 1u);
  CAF_CHECK_EQUAL(x.traffic.families, 1u);
  CAF_CHECK_EQUAL(x.traffic.sample_bytes, 0u);
}

CAF_TEST(a value that comes twice is one sample) {
  dictionary_family family{qualify(0, "user:1")};
  for (int i = 0; i < 100; ++i)
    uut.seen(family, json_value(7), 0, 0);
  CAF_CHECK_EQUAL(uut.stats().traffic.samples, 1u);
}

CAF_TEST(values that have nothing in common get no dictionary for a while) {
  dictionary_family family{qualify(0, "noise:1")};
  std::uint64_t x = 88172645463325252u;
  auto pass_noise = [&](std::uint64_t n) {
    std::string value(256, '\0');
    for (std::uint64_t i = 0; i < n; ++i) {
      for (auto& c : value) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        c = static_cast<char>(x);
      }
      uut.seen(family, value, 0, 0);
    }
  };
  pass_noise(enough);
  CAF_CHECK(uut.train_some());
  CAF_CHECK_EQUAL(uut.stats().rejected, 1u);
  CAF_CHECK(uut.in_use().empty());
  CAF_CHECK_EQUAL(uut.version(), 1u);
  pass_noise(dictionary_traffic::first_rest - 1);
  CAF_CHECK(!uut.train_some());
  CAF_CHECK_EQUAL(uut.stats().traffic.sample_bytes, 0u);
  pass_noise(1 + enough);
  CAF_CHECK(uut.train_some());
  CAF_CHECK_EQUAL(uut.stats().rejected, 2u);
  // The next pause is twice as long.
  pass_noise(dictionary_traffic::first_rest + 2 * enough);
  CAF_CHECK(!uut.train_some());
}

CAF_TEST(a family is trained again when its ratio has become worse) {
  pass("user:1", 0);
  CAF_REQUIRE(uut.train_some());
  auto first = uut.in_use().at(0);
  pass_compressed(first, 0.2); // no worse than at first
  CAF_CHECK_EQUAL(uut.stats().traffic.drifts, 0u);
  pass_compressed(first, 0.9);
  CAF_CHECK_EQUAL(uut.stats().traffic.drifts, 1u);
  pass_compressed(first, 0.9); // these are samples
  CAF_REQUIRE(uut.train_some());
  auto second = uut.in_use().at(0);
  CAF_CHECK(first != second);
  CAF_CHECK_EQUAL(uut.stats().trainings, 2u);
  CAF_CHECK(uut.find(first->id()) == first); // its records can be read
}

CAF_TEST(a new dictionary must beat the one in use) {
  pass("user:1", 0);
  CAF_REQUIRE(uut.train_some());
  auto first = uut.in_use().at(0);
  pass_compressed(first, 0.9); // a drift, or so it seems
  pass("user:1", 50'000);      // the values are like before
  CAF_REQUIRE(uut.train_some());
  CAF_CHECK(uut.in_use().at(0) == first);
  CAF_CHECK_EQUAL(uut.stats().rejected, 1u);
  CAF_CHECK_EQUAL(uut.version(), 2u);
}

CAF_TEST(families are bounded and the rest share one) {
  auto most = dictionary_traffic::most_families;
  for (std::size_t i = 0; i < 40'000; ++i) {
    std::string name{"k"};
    for (auto n = i; n > 0; n /= 20)
      name += static_cast<char>('a' + n % 20);
    uut.seen(dictionary_family{qualify(0, name)}, json_value(i), 0, 0);
  }
  CAF_CHECK_EQUAL(uut.stats().traffic.families, most);
  CAF_CHECK(uut.train_some());
  CAF_CHECK_EQUAL(uut.in_use().at(0)->family(), "*");
  // One that comes often is told apart all the same.
  pass("user:1", 0, 30 * enough);
  CAF_CHECK(uut.train_some());
  std::set<std::string> names;
  for (auto& x : uut.in_use())
    names.insert(x->family());
  CAF_CHECK(names.contains("0:user:*"));
  CAF_CHECK_EQUAL(uut.stats().traffic.families, most);
}

// -- dictionaries from elsewhere ----------------------------------------------

CAF_TEST(a dictionary that was found is used if its family has none) {
  auto mine = trained("0:user:*", 0);
  auto other = trained("0:user:*", 5000);
  auto x = uut.add(mine->stored());
  CAF_REQUIRE(x);
  CAF_CHECK_EQUAL(uut.version(), 2u);
  CAF_REQUIRE(uut.add(other->stored()));
  CAF_CHECK_EQUAL(uut.version(), 2u);
  CAF_CHECK(uut.in_use() == std::vector{*x});
  CAF_CHECK_EQUAL(uut.stats().dictionaries, 2u);
  CAF_CHECK(uut.find(other->id()));
  // Once more makes no second one.
  auto again = uut.add(mine->stored());
  CAF_REQUIRE(again);
  CAF_CHECK(*again == *x);
}

CAF_TEST(dictionaries that nobody holds are bounded) {
  auto held = uut.add(trained("held")->stored());
  CAF_REQUIRE(held);
  // The same content cut at other places: numbers differ, form does not.
  auto make = [](std::size_t i) {
    return trained("0:f", 1000 * i, 4096)->stored();
  };
  auto first = uut.add(make(1));
  CAF_REQUIRE(first);
  auto first_id = (*first)->id();
  auto loose = uut.add(make(2));
  CAF_REQUIRE(loose);
  auto loose_id = (*loose)->id();
  loose = failure{errc::none, {}};
  for (std::size_t i = 3; i < dictionary_set::most_unheld + 3; ++i)
    CAF_REQUIRE(uut.add(make(i)));
  CAF_CHECK_EQUAL(uut.stats().dictionaries, dictionary_set::most_unheld);
  CAF_CHECK(uut.find((*held)->id()));
  CAF_CHECK(uut.find(first_id));
  CAF_CHECK(!uut.find(loose_id));
}

CAF_TEST_FIXTURE_SCOPE_END()
