// What waits in the overlay and in the journal, and how it gets into the tree.
#define CAF_SUITE tiers.lmdb_merges

#include "tests/support/lmdb_fixture.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sys/mount.h>
#include <unistd.h>

using namespace terrace;
using namespace terrace::test;

CAF_TEST_FIXTURE_SCOPE(lmdb_merges_tests, lmdb_fixture)

CAF_TEST(staged changes are seen before they are committed) {
  put(make("a", 1, "tree"));
  stage({make("a", 2, "staged"), make("b", 3, "staged")});
  CAF_CHECK_EQUAL(value("a"), "staged");
  CAF_CHECK_EQUAL(value("b"), "staged");
  CAF_CHECK_EQUAL(count(), 2u);
  CAF_CHECK_EQUAL(keys_of("*", 1).size(), 2u);
  CAF_CHECK_GREATER(uut->staged_bytes(), 0u);
  removal x{key("a"), 4};
  remove_report report;
  CAF_REQUIRE(uut->try_stage({&x, 1}, t0, report));
  CAF_CHECK_EQUAL(report.existed, std::vector<bool>{true});
  CAF_CHECK_EQUAL(value("a"), "-");
  CAF_CHECK_EQUAL(count(), 1u);
  CAF_CHECK_EQUAL(keys_of("*", 10).size(), 1u);
  CAF_REQUIRE(uut->commit(t0));
  CAF_CHECK_EQUAL(value("a"), "-");
  CAF_CHECK_EQUAL(value("b"), "staged");
  CAF_CHECK_EQUAL(uut->pending_bytes(), 0u);
  CAF_CHECK_EQUAL(count(), 1u);
}

CAF_TEST(older writes need to know the tree before they are staged) {
  put(make("a", 10, "tree"));
  auto old = make("a", 9, "old");
  store_report report;
  CAF_CHECK(!uut->try_stage({&old, 1}, false, t0, report));
  keys names{old.key};
  report = uut->stage({&old, 1}, false, uut->probe(names, t0), t0);
  CAF_CHECK_EQUAL(report.refused, 1u);
  CAF_CHECK_EQUAL(value("a"), "tree");
  // Nothing in the tree, so an older version than its newest is fine.
  auto other = make("b", 8, "old");
  names = {other.key};
  report = uut->stage({&other, 1}, true, uut->probe(names, t0), t0);
  CAF_CHECK_EQUAL(report.stored, 1u);
}

CAF_TEST(a crash loses nothing that a commit has taken) {
  // Enough for the journal, with records of both journals' worth.
  version_t version = 0;
  auto batch = [&](int from, int n, std::string_view text) {
    std::vector<entry> xs;
    for (int i = from; i < from + n; ++i)
      xs.push_back(make(numbered("k", i), ++version, text));
    xs.push_back(make("big", ++version, std::string(100'000, text[0])));
    stage(std::move(xs));
  };
  compression.enabled = false; // the large record bypasses the journal
  open();
  batch(0, 1000, "first");
  auto state = uut->commit(t0);
  CAF_REQUIRE(state);
  CAF_CHECK_EQUAL(*state, lmdb_progress::journal);
  batch(500, 1000, "second");
  removal x{key("k0"), ++version};
  remove_report report;
  CAF_REQUIRE(uut->try_stage({&x, 1}, t0, report));
  CAF_REQUIRE(uut->commit(t0));
  stage({make("lost", ++version)});
  // The object is left without a last commit, as after kill -9.
  open();
  auto check = [this] {
    CAF_CHECK_EQUAL(value("k0"), "-");
    CAF_CHECK_EQUAL(value("k499"), "first");
    CAF_CHECK_EQUAL(value("k500"), "second");
    CAF_CHECK_EQUAL(value("k1499"), "second");
    CAF_CHECK_EQUAL(value("big"), std::string(100'000, 's'));
    CAF_CHECK_EQUAL(value("lost"), "-");
    CAF_CHECK_EQUAL(count(), 1500u);
  };
  check();
  CAF_REQUIRE(uut->flush(t0));
  check();
  CAF_CHECK_EQUAL(status().entries, 1500u);
  CAF_CHECK_EQUAL(extra("journal_entries"), 0u);
  open();
  check();
}

CAF_TEST(a merge that was interrupted is finished after opening) {
  std::vector<entry> xs;
  for (int i = 0; i < 40'000; ++i) // more than one slice of a merge
    xs.push_back(make(numbered("k", i), static_cast<version_t>(i) + 1));
  stage(std::move(xs));
  CAF_REQUIRE(uut->commit(t0));
  auto state = uut->commit(t0); // nothing new: the merge begins
  CAF_REQUIRE(state);
  CAF_REQUIRE_EQUAL(*state, lmdb_progress::merging);
  stage({make("k7", 50'000, "newer")});
  CAF_REQUIRE(uut->commit(t0));
  CAF_CHECK_EQUAL(value("k7"), "newer");
  open();
  CAF_CHECK_EQUAL(value("k7"), "newer");
  CAF_REQUIRE(uut->flush(t0));
  CAF_CHECK_EQUAL(value("k7"), "newer");
  CAF_CHECK_EQUAL(value("k39999"), "value");
  CAF_CHECK_EQUAL(count(), 40'000u);
  CAF_CHECK_EQUAL(status().entries, 40'000u);
}

CAF_TEST(a key that is written again and again waits once) {
  version_t version = 0;
  auto write_all = [&] {
    std::vector<entry> xs;
    for (int i = 0; i < 1000; ++i)
      xs.push_back(make(numbered("k", i), ++version));
    stage(std::move(xs));
  };
  write_all();
  auto once = uut->pending_bytes();
  for (int round = 0; round < 20; ++round) {
    write_all();
    CAF_CHECK_EQUAL(*uut->commit(t0), lmdb_progress::journal);
  }
  CAF_CHECK_EQUAL(uut->pending_bytes(), once);
  CAF_REQUIRE(uut->flush(t0));
  CAF_CHECK_EQUAL(uut->pending_bytes(), 0u);
  CAF_CHECK_EQUAL(status().entries, 1000u);
}

CAF_TEST(a journal that grows too long is merged while changes come in) {
  opts.max_pending_size = 4 << 20;
  opts.commit_size = 1 << 20;
  compression.enabled = false;
  open();
  // Few keys, so that memory alone would never ask for a merge.
  version_t version = 0;
  auto merges = 0;
  for (int round = 0; round < 40; ++round) {
    std::vector<entry> xs;
    for (int i = 0; i < 300; ++i)
      xs.push_back(make(numbered("k", i), ++version, std::string(1000, 'v')));
    stage(std::move(xs));
    auto state = uut->commit(t0);
    CAF_REQUIRE(state);
    merges += *state == lmdb_progress::idle ? 1 : 0;
    CAF_CHECK(!uut->full());
  }
  CAF_CHECK_GREATER(status().entries, 0u);
}

CAF_TEST(a large record is not hidden by a small one in the journal) {
  compression.enabled = false;
  open();
  std::vector<entry> xs;
  for (int i = 0; i < 1000; ++i)
    xs.push_back(make(numbered("k", i), static_cast<version_t>(i) + 1));
  stage(std::move(xs));
  CAF_REQUIRE(uut->commit(t0));
  auto large = std::string(100'000, 'x');
  stage({make("k1", 2000, large)});
  CAF_REQUIRE(uut->commit(t0));
  open();
  CAF_CHECK(value("k1") == large);
}

CAF_TEST(crashes at any time of a merge keep what commits have taken) {
  constexpr unsigned seed = 7;
  CAF_MESSAGE("seed " << seed);
  std::mt19937 random{seed};
  auto pick = [&](unsigned n) { return random() % n; };
  opts.max_pending_size = 16 << 20;
  opts.commit_size = 1 << 20;
  open();
  std::map<std::string, record> committed, current;
  version_t version = 0;
  auto merging = 0;
  auto crashes_in_merge = 0;
  auto state = lmdb_progress::idle;
  auto change_some = [&] {
    std::vector<entry> xs;
    for (auto n = pick(3000); n > 0; --n) {
      auto x = make(numbered("k", static_cast<int>(pick(30'000))), ++version,
                    std::to_string(version));
      if (pick(1000) == 0) {
        x.data.value = blob::copy(std::string(40'000, 'x'));
        x.data.compress = false;
      }
      current[x.key] = x.data;
      xs.push_back(std::move(x));
    }
    stage(std::move(xs));
    for (auto n = pick(300); n > 0; --n) {
      removal x{key(numbered("k", static_cast<int>(pick(30'000)))), ++version};
      keys names{x.key};
      uut->stage({&x, 1}, uut->probe(names, t0), t0);
      current.erase(x.key);
    }
  };
  auto check = [&] {
    auto wrong = 0;
    for (int i = 0; i < 30'000; ++i) {
      auto k = key(numbered("k", i));
      auto expected = current.find(k);
      auto found = get(k);
      wrong += found.hit() != (expected != current.end())
               || (found.hit() && found.data != expected->second);
    }
    CAF_REQUIRE_EQUAL(wrong, 0);
  };
  for (int step = 0; step < 400; ++step) {
    if (pick(12) > 0)
      change_some();
    if (pick(4) > 0) {
      auto done = uut->commit(t0);
      CAF_REQUIRE(done);
      state = *done;
      committed = current;
      merging += state == lmdb_progress::merging;
    }
    auto likely = state == lmdb_progress::merging ? 2u : 20u;
    if (pick(likely) == 0) { // kill -9
      crashes_in_merge += state == lmdb_progress::merging;
      open();
      current = committed;
      state = lmdb_progress::idle;
      check();
    }
  }
  check();
  CAF_REQUIRE(uut->flush(t0));
  check();
  CAF_CHECK_EQUAL(status().entries, current.size());
  CAF_CHECK_GREATER(merging, 10);
  CAF_CHECK_GREATER(crashes_in_merge, 3);
}

CAF_TEST_FIXTURE_SCOPE_END()
