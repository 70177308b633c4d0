// Who leaves the disk, and who may come.
#define CAF_SUITE tiers.lmdb_room

#include "tests/support/lmdb_fixture.hpp"
#include "tiers/lmdb_admission.hpp"
#include "tiers/lmdb_clock.hpp"

using namespace terrace;
using namespace terrace::test;

CAF_TEST_FIXTURE_SCOPE(lmdb_room_tests, lmdb_fixture)

CAF_TEST(an entry has as many rounds as it was used and three at most) {
  lmdb_clock clock{1000};
  std::uint64_t hash = 0x123456789abcdef0;
  while (!clock.pass(hash)) {
    // until the counter is at zero
  }
  CAF_CHECK(!clock.seen(hash));
  clock.admit(hash);
  clock.admit(hash);
  CAF_CHECK(!clock.pass(hash));
  CAF_CHECK(clock.pass(hash));
  for (int i = 0; i < 10; ++i)
    clock.touch(hash);
  clock.grow(1'000'000);
  for (int i = 0; i < 3; ++i)
    CAF_CHECK(!clock.pass(hash));
  CAF_CHECK(clock.pass(hash));
}

CAF_TEST(after a start about half of the entries may leave) {
  lmdb_clock clock{10'000};
  int leaving = 0;
  for (std::uint64_t i = 0; i < 1000; ++i)
    leaving += clock.pass(i * 0x9e3779b97f4a7c15) ? 1 : 0;
  CAF_CHECK_GREATER(leaving, 400);
  CAF_CHECK_LESS(leaving, 600);
}

CAF_TEST(reuse is asked for when the disk is full) {
  lmdb_admission uut{true, 0, 10'000};
  std::uint64_t hash = 0x123456789abcdef0;
  CAF_CHECK(uut.admit(hash, false, t0));
  CAF_CHECK(!uut.admit(hash, true, t0));
  CAF_CHECK(uut.admit(hash, true, t0));
  CAF_CHECK(!uut.admit(hash + (1ull << 50), true, t0));
}

CAF_TEST(a write budget is kept over ten seconds) {
  lmdb_admission uut{false, 1000, 10'000};
  auto next = [n = 0ull]() mutable { return ++n * 0x9e3779b97f4a7c15; };
  CAF_CHECK(uut.admit(next(), true, t0));
  uut.wrote(6000);
  auto hash = next();
  CAF_CHECK(!uut.admit(hash, true, t0)); // less than half is left
  CAF_CHECK(uut.admit(hash, true, t0));
  uut.wrote(5000);
  CAF_CHECK(!uut.admit(hash, true, t0)); // nothing is left
  CAF_CHECK(!uut.admit(hash, true, t0 + 500));
  CAF_CHECK(uut.admit(hash, true, t0 + 1500));
  CAF_CHECK(uut.admit(next(), true, t0 + 7500));
}

CAF_TEST(what is not admitted leaves nothing older behind) {
  opts.max_size = 16 << 20;
  opts.admission = "reuse";
  open();
  for (int from = 0; from < 60'000; from += 1000) {
    std::vector<entry> xs;
    for (int i = from; i < from + 1000; ++i)
      xs.push_back(make(numbered("k", i), static_cast<version_t>(i) + 1,
                        std::string(400, 'x')));
    uut->put(xs, false, t0);
  }
  CAF_CHECK_GREATER(extra("not_admitted"), 10'000u);
  CAF_CHECK_EQUAL(extra("not_admitted") + status().entries + status().evictions,
                  60'000u);
  CAF_CHECK_EQUAL(put(make("new", 100'000)).refused, 1u);
  CAF_CHECK_EQUAL(value("new"), "-");
  CAF_CHECK_EQUAL(put(make("new", 100'001)).stored, 1u);
  CAF_CHECK_EQUAL(value("new"), "value");
  // Of keys that are there, some have no round left: they are refused once,
  // and must not show their old value then.
  std::size_t refused = 0;
  for (int i = 0; i < 2000; ++i) {
    auto name = numbered("k", i);
    if (put(make(name, 200'000, "newer")).refused == 1) {
      ++refused;
      CAF_CHECK_EQUAL(value(name), "-");
    } else {
      CAF_CHECK_EQUAL(value(name), "newer");
    }
  }
  CAF_CHECK_GREATER(refused, 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
