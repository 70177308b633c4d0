// Dictionaries beside the records on disk.
#define CAF_SUITE tiers.lmdb_dictionaries

#include "tests/support/json_values.hpp"
#include "tests/support/lmdb_fixture.hpp"

#include <filesystem>
#include <string>
#include <vector>

using namespace terrace;
using namespace terrace::test;

namespace {

dictionary_ptr train(std::uint64_t seed) {
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

/// A store of a node that has `dict` to begin with.
struct fixture : lmdb_fixture {
  dictionary_ptr dict = train(0);
  dictionary_set_ptr set;

  fixture() {
    start();
    learn(dict);
  }

  /// A node that knows nothing but what is in the directory.
  void start() {
    uut.reset();
    set = std::make_shared<dictionary_set>(compression);
    auto x = lmdb_store::open(opts, compression, dir.path(), set);
    if (!x)
      CAF_FAIL("cannot open: " << to_string(x.error()));
    uut = std::move(*x);
  }

  void learn(const dictionary_ptr& x) {
    CAF_REQUIRE(set->add(x->stored()));
  }

  static std::string name(int i) {
    return numbered("user:", i);
  }

  static entry user(int i, version_t version = 1) {
    return make(name(i), version, json_value(static_cast<std::uint64_t>(i)), 0,
                {"tag"});
  }

  bool has(int i) {
    return value(name(i)) == json_value(static_cast<std::uint64_t>(i));
  }

  std::uint64_t written_with_any() {
    return extra("dictionary_compressed");
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(lmdb_dictionaries_tests, fixture)

CAF_TEST(a dictionary is kept with the records that need it) {
  put(user(1));
  CAF_CHECK_EQUAL(written_with_any(), 1u);
  CAF_CHECK(has(1));
  start();
  CAF_CHECK_EQUAL(set->stats().dictionaries, 1u);
  CAF_CHECK(has(1));
  // And it goes on being used.
  put(user(2));
  CAF_CHECK_EQUAL(written_with_any(), 1u);
  CAF_CHECK_EQUAL(set->find(dict->id())->stored(), dict->stored());
}

CAF_TEST(records in the journal are read with their dictionary) {
  std::vector<entry> xs;
  for (int i = 0; i < 300; ++i) // more than go into the tree at once
    xs.push_back(user(i, static_cast<version_t>(i) + 1));
  stage(xs);
  CAF_REQUIRE(uut->commit(t0));
  CAF_CHECK_EQUAL(extra("journal_entries"), 300u);
  CAF_CHECK_GREATER(written_with_any(), 250u);
  start();
  for (int i = 0; i < 300; ++i)
    CAF_REQUIRE(has(i));
  CAF_REQUIRE(uut->flush(t0));
  CAF_CHECK_EQUAL(extra("corrupt"), 0u);
  start();
  for (int i = 0; i < 300; ++i)
    CAF_REQUIRE(has(i));
  CAF_CHECK_EQUAL(count(), 300u);
}

CAF_TEST(a dictionary goes with the last record that needs it) {
  put(user(1));
  put(user(2, 2));
  auto next = train(7000);
  // A node that has another one for new records.
  uut.reset();
  set = std::make_shared<dictionary_set>(compression);
  learn(next);
  auto x = lmdb_store::open(opts, compression, dir.path(), set);
  CAF_REQUIRE(x);
  uut = std::move(*x);
  put(user(3, 3));
  remove(name(1), 9);
  uut->sweep(t0, 1000);
  CAF_CHECK(has(2));
  start();
  CAF_CHECK(set->find(dict->id()) != nullptr);
  CAF_CHECK(has(2));
  CAF_CHECK(has(3));
  remove(name(2), 10);
  remove(name(3), 11);
  uut->sweep(t0, 1000);
  // One of them new records are written with, the other is gone.
  start();
  CAF_CHECK_EQUAL(set->stats().dictionaries, 1u);
}

CAF_TEST(a store that starts anew keeps its dictionaries anew) {
  put(user(1));
  std::filesystem::remove_all(dir.path());
  put(user(2, 2));
  CAF_CHECK_EQUAL(uut->renewals(), 1u);
  CAF_CHECK(has(2));
  start();
  CAF_CHECK(!has(1));
  CAF_CHECK(has(2));
  CAF_CHECK_EQUAL(set->stats().dictionaries, 1u);
}

CAF_TEST(what waits while a store starts anew is written with a dictionary) {
  put(user(1));
  stage({user(2, 2)});
  std::filesystem::remove_all(dir.path());
  CAF_REQUIRE(uut->flush(t0));
  CAF_CHECK_EQUAL(uut->renewals(), 1u);
  start();
  CAF_CHECK(has(2));
}

CAF_TEST(a record without its dictionary is an error and not corrupt) {
  put(user(1));
  open(); // with no dictionaries at all
  CAF_CHECK_EQUAL(value(name(1)), "unsupported_format");
  CAF_REQUIRE(uut->commit(t0));
  CAF_CHECK_EQUAL(extra("quarantined"), 0u);
  start();
  CAF_CHECK(has(1));
}

CAF_TEST_FIXTURE_SCOPE_END()
