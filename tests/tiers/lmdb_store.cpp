#define CAF_SUITE tiers.lmdb_store

#include "tests/support/lmdb_fixture.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace terrace;
using namespace terrace::test;

CAF_TEST_FIXTURE_SCOPE(lmdb_store_tests, lmdb_fixture)

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
