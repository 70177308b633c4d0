#define CAF_SUITE tiers.lmdb_overlay

#include "tiers/lmdb_overlay.hpp"

#include <caf/test/unit_test.hpp>

#include <vector>

using namespace terrace;

namespace {

struct fixture {
  lmdb_overlay uut;
  std::vector<lmdb_change> copied;

  void stage(std::string_view key, version_t version, bool removed = false) {
    uut.locked([&] {
      lmdb_probe probe{key};
      record x;
      x.version = version;
      uut.stage(probe, uut.peek(probe), std::move(x), removed);
    });
  }

  /// The version known of a key, 0 if the key is not known.
  version_t version(std::string_view key) {
    record x;
    return uut.find(key, x) == lmdb_overlay::state::unknown ? 0 : x.version;
  }

  void to_journal() {
    uut.freeze();
    uut.keep({});
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(lmdb_overlay_tests, fixture)

CAF_TEST(a key is forgotten when no list has it any more) {
  stage("a", 1);
  to_journal();
  stage("a", 2);
  to_journal(); // again, in the same list
  stage("a", 3);
  uut.begin_merge();
  uut.end_merge();
  CAF_CHECK_EQUAL(version("a"), 3u);
  to_journal();
  uut.begin_merge();
  CAF_CHECK_EQUAL(version("a"), 3u);
  uut.end_merge();
  CAF_CHECK_EQUAL(version("a"), 0u);
  CAF_CHECK_EQUAL(uut.bytes(), 0u);
  CAF_CHECK_EQUAL(uut.stats().entries, 0u);
}

CAF_TEST(a merge leaves out what has been changed since) {
  stage("a", 1);
  stage("b", 2);
  to_journal();
  auto xs = uut.begin_merge();
  CAF_REQUIRE_EQUAL(xs.size(), 2u);
  CAF_CHECK(!uut.copy_merging(xs, true, copied));
  CAF_CHECK_EQUAL(copied.size(), 2u);
  stage("b", 3);
  // The journal that is merged has to wait for the one that takes changes.
  CAF_CHECK(uut.copy_merging(xs, true, copied));
  CAF_REQUIRE_EQUAL(copied.size(), 1u);
  CAF_CHECK_EQUAL(copied[0].key(), "a");
  to_journal();
  CAF_CHECK(!uut.copy_merging(xs, true, copied));
  CAF_CHECK_EQUAL(copied.size(), 1u);
  // Changed once more: version 3 is on disk, which is enough.
  stage("b", 4);
  CAF_CHECK(!uut.copy_merging(xs, true, copied));
  CAF_CHECK_EQUAL(copied.size(), 1u);
  CAF_CHECK(!uut.copy_merging(xs, false, copied));
  CAF_CHECK_EQUAL(copied.size(), 2u);
}

CAF_TEST(a commit that fails gives its changes back) {
  stage("a", 1);
  stage("b", 2);
  auto staged = uut.staged_bytes();
  CAF_CHECK_EQUAL(uut.freeze(), 2u);
  CAF_CHECK_EQUAL(uut.staged_bytes(), 0u);
  stage("b", 3);
  uut.thaw();
  CAF_CHECK_EQUAL(uut.staged_bytes(), staged);
  CAF_CHECK_EQUAL(uut.stats().staged_entries, 2u);
  CAF_CHECK_EQUAL(uut.freeze(), 2u);
  uut.copy_frozen(0, 2, copied);
  CAF_REQUIRE_EQUAL(copied.size(), 2u);
  for (auto& x : copied)
    CAF_CHECK_EQUAL(x.data.version, x.key() == "a" ? 1u : 3u);
}

CAF_TEST(a merge that is cancelled keeps everything in the journal) {
  stage("a", 1);
  to_journal();
  uut.begin_merge();
  uut.cancel_merge();
  CAF_CHECK(uut.journaled());
  CAF_CHECK(uut.merging().empty());
  CAF_CHECK_EQUAL(version("a"), 1u);
}

CAF_TEST(bytes that were costly to make belong to one version) {
  stage("a", 1);
  uut.freeze();
  uut.copy_frozen(0, 1, copied);
  auto old = copied.at(0);
  uut.keep_encoded(old, blob::copy("first"));
  uut.copy_frozen(0, 1, copied);
  CAF_CHECK_EQUAL(copied.at(0).encoded.view(), "first");
  stage("a", 2);
  uut.keep_encoded(old, blob::copy("first"));
  uut.copy_frozen(0, 1, copied);
  CAF_CHECK(copied.at(0).encoded.empty());
}

CAF_TEST(giving up what is active leaves markers for the rest) {
  stage("a", 1);
  to_journal();
  stage("a", 5);
  stage("b", 6);
  auto lost = uut.locked([&] { return uut.drop_active(); });
  CAF_CHECK_EQUAL(lost, 6u);
  record x;
  CAF_CHECK(uut.find("a", x) == lmdb_overlay::state::removed);
  CAF_CHECK_EQUAL(x.version, 5u);
  CAF_CHECK_EQUAL(version("b"), 0u);
  CAF_CHECK_EQUAL(uut.staged_bytes(), 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
