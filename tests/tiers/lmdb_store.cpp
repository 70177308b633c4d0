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

CAF_TEST(an entry that expired on the way hides the older one) {
  put(make("tree", 1, "old"));
  stage({make("staged", 2, "old")});
  // As the tier does it: what is not newer than all in the tree has to ask.
  for (auto* name : {"tree", "staged"}) {
    store_report report;
    auto x = make(name, 3, "new", t0 + 5);
    CAF_REQUIRE(uut->try_stage({&x, 1}, false, t0 + 5, report));
    CAF_CHECK_EQUAL(report.refused, 1u);
    CAF_CHECK_EQUAL(value(name), "-");
  }
  put(make("asked", 10, "old"));
  auto y = make("asked", 10, "new", t0 + 5);
  CAF_CHECK_EQUAL(put(y, false, t0 + 5).refused, 1u);
  // A promotion brings what another tier had, and replaces nothing.
  put(make("promoted", 11, "there"));
  auto z = make("promoted", 12, "new", t0 + 5);
  CAF_CHECK_EQUAL(put(z, true, t0 + 5).refused, 1u);
  for (auto again : {false, true}) {
    if (again)
      open();
    CAF_CHECK_EQUAL(keys_of("*", 10), std::multiset<std::string>{"promoted"});
    CAF_CHECK_EQUAL(value("promoted"), "there");
    CAF_CHECK_EQUAL(count(), 1u);
  }
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

CAF_TEST(what nobody reads leaves when the bound is reached) {
  opts.max_size = 16 << 20;
  open();
  fill("hot", 0, 500);
  int read = 0;
  for (int from = 0; from < 60'000; from += 1000) {
    fill("k", from, 1000);
    CAF_CHECK_LESS_OR_EQUAL(extra("device_bytes"), opts.max_size);
    read = 0;
    for (int i = 0; i < 500; ++i)
      read += value(numbered("hot", i)) != "-" ? 1 : 0;
  }
  auto x = status();
  CAF_CHECK_EQUAL(x.entries + x.evictions, 60'500u);
  CAF_CHECK_EQUAL(count(), x.entries);
  CAF_CHECK_GREATER(x.bytes, 6u << 20);
  CAF_CHECK_EQUAL(read, 500);
  // Of the others, the last ones are there, and the first ones are not.
  auto present = [this](int from, int n) {
    auto result = 0;
    for (int i = from; i < from + n; ++i)
      result += value(numbered("k", i)) != "-" ? 1 : 0;
    return result;
  };
  CAF_CHECK_LESS(present(0, 5000), 1000); // some share their counters
  CAF_CHECK_EQUAL(present(59'000, 1000), 1000);
}

CAF_TEST(entries that are written again stay) {
  opts.max_size = 16 << 20;
  open();
  for (int from = 0; from < 60'000; from += 1000) {
    fill("k", from, 1000);
    put(make("again", static_cast<version_t>(from) + 1));
    CAF_REQUIRE_EQUAL(value("again"), "value");
  }
  CAF_CHECK_GREATER(status().evictions, 20'000u);
}

CAF_TEST(a batch larger than the bound leaves the store within it) {
  opts.max_size = 16 << 20;
  open();
  fill("k", 0, 60'000);
  auto x = status();
  CAF_CHECK_LESS_OR_EQUAL(extra("device_bytes"), opts.max_size);
  CAF_CHECK_EQUAL(x.entries + x.evictions, 60'000u);
}

CAF_TEST(large values are kept whole and leave no space behind) {
  opts.max_size = 64 << 20;
  compression.enabled = false;
  open();
  auto text = [](int i) {
    std::string result;
    while (result.size() < 3'000'000)
      result += std::to_string(result.size() * static_cast<std::size_t>(i + 7));
    return result;
  };
  for (int i = 0; i < 60; ++i) {
    auto n = i % 6; // written again and again
    auto x = make(numbered("large", n), static_cast<version_t>(i) + 1, text(i),
                  n == 0 ? t0 + 1000 : 0, {"tag"});
    CAF_REQUIRE_EQUAL(put(x).stored, 1u);
    CAF_CHECK_LESS_OR_EQUAL(extra("device_bytes"), opts.max_size);
  }
  open();
  for (int n = 0; n < 6; ++n)
    CAF_CHECK_EQUAL(value(numbered("large", n)), text(54 + n));
  CAF_CHECK_EQUAL(put(make("x", 100, std::string(9 << 20, 'x'))).refused, 1u);
  uut->sweep(t0 + 1000, 100);
  CAF_CHECK_EQUAL(count(), 5u);
  CAF_CHECK(remove("large1", 100));
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "tag"), 4u);
  for (int i = 0; i < 30; ++i)
    uut->sweep(t0 + 1001 + i, 100);
  CAF_CHECK_EQUAL(status().bytes, 0u);
  CAF_CHECK_LESS(extra("used_bytes"), 200'000u);
  CAF_CHECK_LESS(extra("device_bytes"), 12u << 20); // the rest was given back
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
  version_t base = 0; // what is cleared stays so, hence newer ones each time
  auto refill = [&] {
    base += 100;
    put(make("user:1", base + 10, "x", 0, {"t1", "t2"}));
    put(make("user:2", base + 20, "x", 0, {"t1"}));
    put(make("item:1", base + 30, "x", 0, {"t2"}));
    put(make("user:1", base + 40, "x", 0, {"t1"}, 1));
  };
  using kind = selector::kind;
  refill();
  CAF_CHECK_EQUAL(purge(kind::tag, "t1", base + 15), 1u);
  CAF_CHECK_EQUAL(purge(kind::tag, "t1", base + 25), 1u);
  CAF_CHECK_EQUAL(purge(kind::tag, "t", base + 99), 0u);
  CAF_CHECK_EQUAL(count(0), 1u);
  CAF_CHECK_EQUAL(count(1), 1u);
  refill();
  CAF_CHECK_EQUAL(purge(kind::key, "user:1", base + 9), 0u);
  CAF_CHECK_EQUAL(purge(kind::key, "user:1", base + 99), 1u);
  CAF_CHECK_EQUAL(purge(kind::prefix, "user:", base + 99), 1u);
  refill();
  CAF_CHECK_EQUAL(purge(kind::glob, "*:1", base + 29), 1u);
  CAF_CHECK_EQUAL(purge(kind::glob, "u*[2-9]", base + 99), 1u);
  CAF_CHECK_EQUAL(value("item:1"), "x");
  refill();
  CAF_CHECK_EQUAL(purge(kind::tenant, "", base + 99), 3u);
  CAF_CHECK_EQUAL(count(1), 1u);
  refill();
  CAF_CHECK_EQUAL(purge(kind::all, "", base + 99), 4u);
  CAF_CHECK_EQUAL(status().bytes, 0u);
}

CAF_TEST(what was cleared is hidden at once and deleted later) {
  std::vector<entry> xs;
  for (int i = 0; i < 20'000; ++i)
    xs.push_back(make(numbered("k", i), static_cast<version_t>(i) + 1, "x", 0,
                      {i % 2 == 0 ? "even" : "odd", "all"}));
  CAF_REQUIRE_EQUAL(uut->put(xs, false, t0).stored, 20'000u);
  auto commits = extra("commits");
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "even", 20'000), 10'000u);
  CAF_CHECK_LESS_OR_EQUAL(extra("commits") - commits, 2u);
  CAF_CHECK_EQUAL(extra("cleared_entries"), 10'000u);
  auto check = [this] {
    CAF_CHECK_EQUAL(count(), 10'000u);
    CAF_CHECK_EQUAL(status().entries, 10'000u);
    CAF_CHECK_EQUAL(value("k0"), "-");
    CAF_CHECK_EQUAL(value("k1"), "x");
    CAF_CHECK_EQUAL(keys_of("*", 1000).size(), 10'000u);
    CAF_CHECK_EQUAL(purge(selector::kind::tag, "even", 20'000), 0u);
  };
  check();
  open(); // the fence is on disk
  check();
  // A promotion from before is hidden too, and what is written now is not.
  put(make("k2", 5, "old", 0, {"even"}));
  CAF_CHECK_EQUAL(value("k2"), "-");
  put(make("k4", 30'000, "new", 0, {"even"}));
  CAF_CHECK_EQUAL(value("k4"), "new");
  CAF_CHECK_EQUAL(count(), 10'001u);
  while (uut->sweep(t0, 1000) == 0) {
    CAF_CHECK_EQUAL(count(), 10'001u);
    CAF_CHECK_EQUAL(value("k4"), "new");
  }
  CAF_CHECK_EQUAL(extra("cleared_entries"), 0u);
  CAF_CHECK_EQUAL(count(), 10'001u);
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "all", 20'000), 10'000u);
  CAF_CHECK_EQUAL(purge(selector::kind::tenant, "", 30'000), 1u);
  while (uut->sweep(t0, 1000) == 0) {
    // until the rows are gone
  }
  CAF_CHECK_EQUAL(status().bytes, 0u);
  CAF_CHECK_EQUAL(keys_of("*", 1000).size(), 0u);
}

CAF_TEST(a purge of more than one step removes everything) {
  std::vector<entry> xs;
  for (int i = 0; i < 20'000; ++i)
    xs.push_back(make(numbered("k", i), 1, "x", 0, {"all", "other"}));
  CAF_REQUIRE_EQUAL(uut->put(xs, false, t0).stored, 20'000u);
  CAF_CHECK_EQUAL(purge(selector::kind::prefix, "k"), 20'000u);
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
