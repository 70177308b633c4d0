#define CAF_SUITE tiers.lmdb_store

#include <caf/test/unit_test.hpp>

#include "tests/support/temp_dir.hpp"
#include "tiers/lmdb_store.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

using namespace terrace;

namespace {

constexpr std::int64_t t0 = 1'000'000;

std::string key(std::string_view x, tenant_id tenant = 0) {
  return qualify(tenant, x);
}

entry make(std::string_view name, version_t version,
           std::string_view value = "value", std::int64_t expires_ms = 0,
           std::vector<std::string> tags = {}, tenant_id tenant = 0) {
  return {key(name, tenant),
          {blob::copy(value), version, expires_ms, std::move(tags)}};
}

struct fixture {
  test::temp_dir dir;
  disk_options opts;
  compression_options compression;
  std::unique_ptr<lmdb_store> uut;

  fixture() {
    opts.max_size = 64 << 20;
    open();
  }

  void open() {
    uut.reset();
    auto x = lmdb_store::open(opts, compression, dir.path());
    if (!x)
      CAF_FAIL("cannot open: " << to_string(x.error()));
    uut = std::move(*x);
  }

  failure open_failure(const std::string& path) {
    auto x = lmdb_store::open(opts, compression, path);
    CAF_REQUIRE(!x);
    return x.error();
  }

  store_report put(entry x, bool if_absent = false, std::int64_t now = t0) {
    return uut->put({&x, 1}, if_absent, now);
  }

  bool remove(std::string_view name, version_t version) {
    removal x{key(name), version};
    auto result = uut->remove({&x, 1}, t0);
    CAF_REQUIRE_EQUAL(result.why.code, errc::none);
    return result.existed.at(0);
  }

  lookup get(const std::string& qualified, std::int64_t now = t0) {
    return uut->fetch({&qualified, 1}, now).at(0);
  }

  /// The value of a hit, "-" for a miss, the code of an error.
  std::string value(std::string_view name, std::int64_t now = t0) {
    auto x = get(key(name), now);
    if (x.what == lookup::outcome::error)
      return std::string{to_string(x.code)};
    return x.hit() ? std::string{x.data.value.view()} : "-";
  }

  void stage(std::vector<entry> xs) {
    store_report report;
    CAF_REQUIRE(uut->try_stage(xs, false, t0, report));
    CAF_REQUIRE_EQUAL(report.stored, xs.size());
  }

  std::uint64_t purge(selector::kind what, std::string text,
                      version_t up_to = 1000, tenant_id tenant = 0) {
    auto n = uut->purge({what, tenant, std::move(text)}, up_to, t0);
    CAF_REQUIRE(n);
    return *n;
  }

  std::uint64_t count(tenant_id tenant = 0) {
    auto n = uut->count(tenant);
    CAF_REQUIRE(n);
    return *n;
  }

  tier_status status() {
    tier_status result;
    uut->describe(result);
    return result;
  }

  std::uint64_t extra(const std::string& name) {
    return status().extra[name];
  }

  std::multiset<std::string> keys_of(const std::string& glob,
                                     std::size_t budget, tenant_id tenant = 0) {
    std::multiset<std::string> result;
    std::string cursor;
    for (auto done = false; !done;) {
      auto page = uut->list(tenant, glob, cursor, budget, t0);
      CAF_REQUIRE(page);
      for (auto& x : page->found)
        result.emplace(user_key(x));
      cursor = page->next;
      done = page->done;
    }
    return result;
  }
};

std::string numbered(std::string_view prefix, int i) {
  return std::string{prefix} + std::to_string(i);
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(lmdb_store_tests, fixture)

// -- records ------------------------------------------------------------------

CAF_TEST(records survive closing and opening) {
  auto x = make("a", 5, std::string(5000, 'v'), t0 + 1000, {"tag"});
  CAF_CHECK_EQUAL(put(x).stored, 1u);
  open();
  auto found = get(x.key);
  CAF_REQUIRE(found.hit());
  CAF_CHECK(found.data == x.data);
  CAF_CHECK_EQUAL(found.from, tier_kind::disk);
  CAF_CHECK_EQUAL(count(), 1u);
  CAF_CHECK_EQUAL(value("b"), "-");
}

CAF_TEST(a newer record is never replaced by an older one) {
  put(make("a", 5, "new"));
  CAF_CHECK_EQUAL(put(make("a", 4, "old")).refused, 1u);
  CAF_CHECK_EQUAL(value("a"), "new");
  CAF_CHECK(!remove("a", 4));
  CAF_CHECK_EQUAL(value("a"), "new");
  CAF_CHECK(remove("a", 5));
  CAF_CHECK(!remove("a", 6));
  CAF_CHECK_EQUAL(value("a"), "-");
}

CAF_TEST(promotions give way to a live record and replace an expired one) {
  put(make("a", 5, "there"));
  CAF_CHECK_EQUAL(put(make("a", 9, "promoted"), true).refused, 1u);
  CAF_CHECK_EQUAL(put(make("b", 2, "promoted"), true).stored, 1u);
  CAF_CHECK_EQUAL(value("a"), "there");
  CAF_CHECK_EQUAL(value("b"), "promoted");
  put(make("c", 3, "short", t0 + 10));
  CAF_CHECK_EQUAL(put(make("c", 4, "promoted"), true, t0 + 10).stored, 1u);
}

CAF_TEST(entries over a limit are refused) {
  opts.max_value_size = 100;
  open();
  CAF_CHECK_EQUAL(put(make("a", 1, std::string(101, 'x'))).refused, 1u);
  CAF_CHECK_EQUAL(put(make("a", 1, "x", 0, {std::string(65536, 't')})).refused,
                  1u);
  CAF_CHECK_EQUAL(put(make("a", 1, "x", t0)).refused, 1u);    // expired
  CAF_CHECK_EQUAL(put({"x", make("a", 1).data}).refused, 1u); // no tenant
  CAF_CHECK_EQUAL(put(make("a", 1, std::string(100, 'x'))).stored, 1u);
  CAF_CHECK_EQUAL(get("").what, lookup::outcome::miss);
}

CAF_TEST(expired records are neither returned nor kept) {
  put(make("a", 1, "x", t0 + 10));
  put(make("b", 2, "x"));
  CAF_CHECK_EQUAL(value("a", t0 + 9), "x");
  CAF_CHECK_EQUAL(value("a", t0 + 10), "-");
  CAF_CHECK_EQUAL(count(), 2u);
  CAF_CHECK_EQUAL(uut->sweep(t0 + 9, 100), 100u);
  CAF_CHECK_EQUAL(uut->sweep(t0 + 10, 100), 99u);
  CAF_CHECK_EQUAL(count(), 1u);
  CAF_CHECK_EQUAL(status().expirations, 1u);
}

CAF_TEST(an overwritten expiry does not take the new record along) {
  put(make("a", 1, "old", t0 + 10));
  put(make("a", 2, "new", t0 + 1000));
  uut->sweep(t0 + 10, 100);
  CAF_CHECK_EQUAL(value("a", t0 + 10), "new");
  put(make("a", 3, "newest"));
  uut->sweep(t0 + 2000, 100);
  CAF_CHECK_EQUAL(value("a", t0 + 2000), "newest");
}

CAF_TEST(the longest stay on disk limits the expiry but does not change it) {
  opts.max_ttl = milliseconds{100};
  open();
  put(make("a", 1, "x", t0 + 500));
  put(make("b", 2, "x"));
  CAF_CHECK_EQUAL(get(key("a"), t0 + 99).data.expires_ms, t0 + 500);
  CAF_CHECK_EQUAL(value("a", t0 + 100), "-");
  CAF_CHECK_EQUAL(value("b", t0 + 100), "-");
  CAF_CHECK_EQUAL(uut->sweep(t0 + 100, 10), 8u);
  CAF_CHECK_EQUAL(count(), 0u);
}

CAF_TEST(keys of any length are kept apart) {
  std::map<std::string, std::string> model;
  std::string base(2000, 'k');
  version_t version = 0;
  for (std::size_t size :
       {1, 467, 468, 469, 483, 484, 485, 486, 509, 510, 511, 1000, 1999}) {
    for (auto last : {'a', 'b'}) {
      auto name = base.substr(0, size) + last;
      auto text = std::to_string(size) + last;
      CAF_REQUIRE_EQUAL(put(make(name, ++version, text)).stored, 1u);
      model[name] = text;
    }
  }
  open();
  for (auto& [name, text] : model)
    CAF_CHECK_EQUAL(value(name), text);
  for (std::size_t budget : {1, 3, 1000}) {
    auto found = keys_of("*", budget);
    CAF_CHECK_EQUAL(found.size(), model.size());
    for (auto& [name, text] : model)
      CAF_CHECK_EQUAL(found.count(name), 1u);
  }
  // Globs whose literal part is longer than what a key row keeps of a key.
  CAF_CHECK_EQUAL(keys_of(base.substr(0, 1999) + "*", 10).size(), 2u);
  CAF_CHECK_EQUAL(purge(selector::kind::prefix, base.substr(0, 1000)), 4u);
  CAF_CHECK(remove(base.substr(0, 511) + 'a', 1000));
  CAF_CHECK_EQUAL(value(base.substr(0, 511) + 'b'), "511b");
}

// -- bound --------------------------------------------------------------------

CAF_TEST(the oldest entries leave when the bound is reached) {
  opts.max_size = 100'000;
  open();
  for (int i = 0; i < 500; ++i)
    put(make(numbered("k", i), static_cast<version_t>(i) + 1,
             std::string(400, 'x')));
  auto x = status();
  CAF_CHECK_LESS_OR_EQUAL(x.bytes, 100'000u);
  CAF_CHECK_GREATER(x.bytes, 99'000u);
  CAF_CHECK_EQUAL(x.entries + x.evictions, 500u);
  CAF_CHECK_EQUAL(count(), x.entries);
  auto first = 500 - static_cast<int>(x.entries);
  CAF_CHECK_EQUAL(value(numbered("k", first - 1)), "-");
  CAF_CHECK_NOT_EQUAL(value(numbered("k", first)), "-");
}

CAF_TEST(entries that are written again stay) {
  opts.max_size = 100'000;
  open();
  version_t version = 0;
  for (int i = 0; i < 2000; ++i) {
    put(make(numbered("k", i), ++version, std::string(400, 'x')));
    if (i % 10 == 0)
      put(make("again", ++version));
    CAF_REQUIRE_EQUAL(value("again"), "value");
  }
  CAF_CHECK_GREATER(status().evictions, 1000u);
}

CAF_TEST(a batch larger than the bound leaves the store within it) {
  opts.max_size = 100'000;
  open();
  std::vector<entry> xs;
  for (int i = 0; i < 3000; ++i)
    xs.push_back(make(numbered("k", i), static_cast<version_t>(i) + 1,
                      std::string(100, 'x')));
  CAF_CHECK_EQUAL(uut->put(xs, false, t0).stored, 3000u);
  auto x = status();
  CAF_CHECK_LESS_OR_EQUAL(x.bytes, 100'000u);
  CAF_CHECK_EQUAL(x.entries + x.evictions, 3000u);
}

CAF_TEST(overwriting does not let the accounted size drift) {
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 50; ++i)
      put(make(numbered("k", i), static_cast<version_t>(round * 50 + i) + 1,
               std::string(static_cast<std::size_t>(1 + round * 2000), 'x'),
               round == 1 ? t0 + 99 : 0,
               round == 1 ? std::vector<std::string>{"a", "b"}
                          : std::vector<std::string>{}));
  CAF_CHECK_EQUAL(purge(selector::kind::all, ""), 50u);
  CAF_CHECK_EQUAL(status().bytes, 0u);
  CAF_CHECK_EQUAL(status().entries, 0u);
}

// -- purge --------------------------------------------------------------------

CAF_TEST(every kind of selector purges what it means up to a version) {
  auto fill = [this] {
    put(make("user:1", 10, "x", 0, {"t1", "t2"}));
    put(make("user:2", 20, "x", 0, {"t1"}));
    put(make("item:1", 30, "x", 0, {"t2"}));
    put(make("user:1", 40, "x", 0, {"t1"}, 1));
  };
  fill();
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "t1", 15), 1u);
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "t1", 25), 1u);
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "t"), 0u);
  CAF_CHECK_EQUAL(count(0), 1u);
  CAF_CHECK_EQUAL(count(1), 1u);
  fill();
  CAF_CHECK_EQUAL(purge(selector::kind::key, "user:1", 9), 0u);
  CAF_CHECK_EQUAL(purge(selector::kind::key, "user:1"), 1u);
  CAF_CHECK_EQUAL(purge(selector::kind::prefix, "user:"), 1u);
  fill();
  CAF_CHECK_EQUAL(purge(selector::kind::glob, "*:1", 29), 1u);
  CAF_CHECK_EQUAL(purge(selector::kind::glob, "u*[2-9]"), 1u);
  CAF_CHECK_EQUAL(value("item:1"), "x");
  fill();
  CAF_CHECK_EQUAL(purge(selector::kind::tenant, ""), 3u);
  CAF_CHECK_EQUAL(count(1), 1u);
  fill();
  CAF_CHECK_EQUAL(purge(selector::kind::all, ""), 4u);
  CAF_CHECK_EQUAL(status().bytes, 0u);
}

CAF_TEST(a purge of more than one step removes everything) {
  std::vector<entry> xs;
  for (int i = 0; i < 20'000; ++i)
    xs.push_back(make(numbered("k", i), 1, "x", 0, {"all", "other"}));
  CAF_REQUIRE_EQUAL(uut->put(xs, false, t0).stored, 20'000u);
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "all"), 20'000u);
  CAF_CHECK_EQUAL(status().bytes, 0u);
}

CAF_TEST(a purge reaches what no commit has taken yet) {
  put(make("a", 1, "tree", 0, {"t"}));
  stage({make("a", 2, "staged", 0, {"t"}), make("b", 3, "staged", 0, {"t"}),
         make("c", 900, "newer", 0, {"t"})});
  lmdb_purge walk;
  walk.what = {selector::kind::tag, 0, "t"};
  walk.up_to = 500;
  auto done = uut->purge_some(walk, t0);
  CAF_REQUIRE(done && *done);
  CAF_CHECK_EQUAL(walk.purged, 2u);
  for (auto stage_done : {false, true}) {
    if (stage_done)
      CAF_REQUIRE(uut->flush(t0));
    CAF_CHECK_EQUAL(value("a"), "-");
    CAF_CHECK_EQUAL(value("b"), "-");
    CAF_CHECK_EQUAL(value("c"), "newer");
    CAF_CHECK_EQUAL(count(), 1u);
  }
}

// -- overlay, journal, merge --------------------------------------------------

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

// -- damage and refusals ------------------------------------------------------

CAF_TEST(a damaged record is reported and removed) {
  put(make("a", 1, "a-value-that-can-be-found-in-the-file"));
  put(make("b", 2, "other"));
  uut.reset();
  {
    std::fstream file{dir.path() + "/data.mdb",
                      std::ios::in | std::ios::out | std::ios::binary};
    std::string bytes{std::istreambuf_iterator<char>{file}, {}};
    for (auto at = bytes.find("a-value-that"); at != std::string::npos;
         at = bytes.find("a-value-that", at + 1)) {
      file.clear();
      file.seekp(static_cast<std::streamoff>(at));
      file.put('X');
    }
  }
  open();
  CAF_CHECK_EQUAL(value("a"), "corrupt");
  CAF_CHECK_EQUAL(value("b"), "other");
  CAF_CHECK_GREATER_OR_EQUAL(extra("corrupt"), 1u);
  CAF_REQUIRE(uut->commit(t0));
  CAF_CHECK_EQUAL(value("a"), "-");
  CAF_CHECK_EQUAL(count(), 1u);
  CAF_CHECK_EQUAL(extra("quarantined"), 1u);
  CAF_CHECK_EQUAL(put(make("a", 3)).stored, 1u);
}

CAF_TEST(files that are not ours are refused with a reason) {
  uut.reset();
  std::filesystem::remove(dir.path() + "/data.mdb");
  std::ofstream{dir.path() + "/data.mdb"} << std::string(100'000, 'x');
  auto why = open_failure(dir.path());
  CAF_CHECK_EQUAL(why.code, errc::corrupt);
  CAF_CHECK_NOT_EQUAL(why.detail.find("data.mdb"), std::string::npos);
}

CAF_TEST(a truncated file is refused) {
  std::vector<entry> xs;
  for (int i = 0; i < 5000; ++i)
    xs.push_back(make(numbered("k", i), 1, std::string(500, 'x')));
  compression.enabled = false;
  open();
  CAF_REQUIRE_EQUAL(uut->put(xs, false, t0).stored, 5000u);
  uut.reset();
  auto file = dir.path() + "/data.mdb";
  auto size = std::filesystem::file_size(file);
  std::filesystem::resize_file(file, size / 2 / 4096 * 4096);
  CAF_CHECK_EQUAL(open_failure(dir.path()).code, errc::corrupt);
  CAF_CHECK_EQUAL(std::filesystem::file_size(file), size / 2 / 4096 * 4096);
}

CAF_TEST(a second node is kept out of the directory) {
  auto why = open_failure(dir.path());
  CAF_CHECK_EQUAL(why.code, errc::in_use);
  uut.reset();
  open();
}

CAF_TEST(a directory that cannot be made is named in the error) {
  std::ofstream{dir.path() + "/file"} << "x";
  auto why = open_failure(dir.path() + "/file/disk");
  CAF_CHECK_EQUAL(why.code, errc::io_failure);
  CAF_CHECK_NOT_EQUAL(why.detail.find("/file/disk"), std::string::npos);
}

/// A file system of a few megabytes; `ok` is false without the right to mount.
struct small_device {
  explicit small_device(std::string where) : path(std::move(where)) {
    std::filesystem::create_directory(path);
    ok = ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=16m") == 0;
    if (!ok)
      CAF_MESSAGE("skipped: needs the right to mount a tmpfs");
  }

  ~small_device() {
    if (ok)
      ::umount2(path.c_str(), MNT_DETACH); // a store may be open still
  }

  /// Leaves no room for anything else.
  void fill() {
    std::ofstream file{path + "/others"};
    while (file << std::string(4096, 'x') << std::flush) {
      // until the device is full
    }
  }

  std::string path;
  bool ok;
};

CAF_TEST(a device smaller than the bound becomes the bound) {
  small_device device{dir.path() + "/small"};
  if (!device.ok)
    return;
  compression.enabled = false;
  auto x = lmdb_store::open(opts, compression, device.path);
  CAF_REQUIRE(x);
  auto& store = **x;
  version_t version = 0;
  auto text = std::string(1000, 'x');
  for (int i = 0; i < 20'000; ++i) {
    auto y = make(numbered("k", i), ++version, text);
    auto report = store.put({&y, 1}, false, t0);
    if (report.failed != 0)
      CAF_FAIL("write " << i << ": " << to_string(report.why));
  }
  tier_status status;
  store.describe(status);
  CAF_CHECK_GREATER(status.evictions, 10'000u);
  CAF_CHECK_GREATER(status.entries, 3000u);
  CAF_CHECK_LESS(status.capacity_bytes, 16u << 20);
  // A batch larger than the device gets in by smaller and smaller steps.
  std::vector<entry> xs;
  for (int i = 0; i < 20'000; ++i)
    xs.push_back(make(numbered("m", i), ++version, text));
  auto report = store.put(xs, false, t0);
  for (int i = 0; i < 10 && report.failed > 0; ++i) {
    CAF_CHECK_EQUAL(to_string(report.why.code), "no_space");
    auto y = make("again", ++version, text);
    report = store.put({&y, 1}, false, t0);
  }
  CAF_CHECK_EQUAL(report.failed, 0u);
  CAF_CHECK_EQUAL(store.pending_bytes(), 0u);
}

CAF_TEST(a disk that others fill makes misses but never stale values) {
  small_device device{dir.path() + "/small"};
  if (!device.ok)
    return;
  compression.enabled = false;
  opts.max_pending_size = 1 << 20;
  auto x = lmdb_store::open(opts, compression, device.path);
  CAF_REQUIRE(x);
  uut = std::move(*x);
  put(make("a", 1, "old"));
  put(make("b", 2, "old"));
  put(make("c", 3, "old"));
  device.fill();
  version_t version = 10;
  auto large = std::string(5 << 20, 'n'); // more than the reserve
  auto why = put(make("a", ++version, large)).why;
  CAF_CHECK_EQUAL(to_string(why.code), "no_space");
  CAF_CHECK_EQUAL(value("a").size(), 5u << 20); // from memory
  CAF_CHECK_EQUAL(put(make("b", ++version, "new")).failed, 1u);
  CAF_CHECK_EQUAL(value("b"), "-"); // no room for it: a marker, or the floor
  for (int i = 0; i < 3; ++i) {
    put(make(numbered("n", i), ++version, large));
    CAF_CHECK_NOT_EQUAL(value("b"), "old");
    CAF_CHECK_NOT_EQUAL(value("c"), "new");
  }
  std::filesystem::remove(device.path + "/others");
  while (put(make("d", ++version, "new")).failed != 0) {
    // the first try may still have to give way to what waits
  }
  CAF_REQUIRE(uut->flush(t0));
  uut->sweep(t0, 1000);
  CAF_CHECK_EQUAL(value("b"), "-");
  CAF_CHECK_EQUAL(value("d"), "new");
  CAF_CHECK_EQUAL(uut->pending_bytes(), 0u);
  CAF_CHECK_EQUAL(count(), status().entries);
}

// -- model --------------------------------------------------------------------

CAF_TEST(random operations agree with a map) {
  constexpr unsigned seed = 20240607;
  CAF_MESSAGE("seed " << seed);
  std::mt19937 random{seed};
  std::map<std::string, record> model;
  version_t version = 0;
  std::int64_t now = t0;
  auto pick = [&](unsigned n) { return random() % n; };
  auto live = [&](const std::string& k) {
    auto i = model.find(k);
    return i != model.end() && !i->second.expired(now);
  };
  for (int step = 0; step < 4000; ++step) {
    now += pick(3);
    auto tenant = static_cast<tenant_id>(pick(2));
    auto name = numbered("k", static_cast<int>(pick(60)));
    if (pick(5) == 0)
      name += std::string(600, 'l');
    auto k = key(name, tenant);
    switch (pick(12)) {
      default: {
        auto x = make(name, ++version, std::string(pick(3000), 'v'),
                      pick(2) ? now + 1 + pick(200) : 0, {}, tenant);
        for (auto n = pick(3); n > 0; --n)
          x.data.tags.push_back(numbered("t", static_cast<int>(n)));
        std::vector<entry> xs{x};
        store_report report;
        CAF_REQUIRE(uut->try_stage(xs, false, now, report));
        CAF_REQUIRE_EQUAL(report.stored, 1u);
        model[k] = x.data;
        break;
      }
      case 0:
      case 1: {
        removal x{k, ++version};
        keys names{k};
        auto report = uut->stage({&x, 1}, uut->probe(names, now), now);
        CAF_REQUIRE_EQUAL(report.existed[0], live(k));
        model.erase(k);
        break;
      }
      case 2:
        CAF_REQUIRE(uut->commit(now));
        break;
      case 3: {
        selector what{pick(2) ? selector::kind::tag : selector::kind::prefix,
                      tenant, pick(2) ? "t1" : "k1"};
        if (what.what == selector::kind::prefix)
          what.text = "k" + std::to_string(pick(6));
        if (pick(4))
          break;
        auto up_to = version - pick(20);
        std::uint64_t expected = 0;
        for (auto i = model.begin(); i != model.end();) {
          if (i->second.version <= up_to
              && what.matches(i->first, i->second.tags)) {
            expected += i->second.expired(now) ? 0 : 1;
            i = model.erase(i);
          } else {
            ++i;
          }
        }
        auto n = uut->purge(what, up_to, now);
        CAF_REQUIRE(n);
        CAF_REQUIRE_EQUAL(*n, expected);
        break;
      }
      case 4:
        if (pick(10) == 0) {
          CAF_REQUIRE(uut->flush(now));
          open();
        }
        break;
      case 5: {
        CAF_REQUIRE(uut->flush(now));
        uut->sweep(now, 1000);
        std::erase_if(model, [&](auto& x) { return x.second.expired(now); });
        for (tenant_id t : {0, 1}) {
          auto n = std::count_if(model.begin(), model.end(), [t](auto& x) {
            return tenant_of(x.first) == t;
          });
          CAF_REQUIRE_EQUAL(count(t), static_cast<std::uint64_t>(n));
        }
        break;
      }
    }
    auto found = get(k, now);
    CAF_REQUIRE_EQUAL(found.hit(), live(k));
    if (found.hit())
      CAF_REQUIRE(found.data == model[k]);
  }
  now += 1000;
  CAF_REQUIRE(uut->purge(selector{}, version, now));
  CAF_CHECK_EQUAL(status().bytes, 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
