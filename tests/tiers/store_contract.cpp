// The contract of tiers/store.hpp, held against every engine: one table of
// cases, then random operations whose answers must be those of a model.
#define CAF_SUITE tiers.store_contract

#include "tests/support/stores.hpp"

#include "messages/glob.hpp"

#include <caf/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

using namespace terrace;
using namespace terrace::test;

namespace {

using kind = selector::kind;

constexpr std::int64_t start_ms = 1'700'000'000'000;

constexpr std::int64_t minute = 60'000;

std::string key(std::string_view name, tenant_id tenant = 0) {
  return qualify(tenant, name);
}

entry make(std::string_view name, version_t version,
           std::string_view value = "value", std::int64_t expires_ms = 0,
           std::vector<std::string> tags = {}, tenant_id tenant = 0) {
  return {key(name, tenant),
          {blob::copy(value), version, expires_ms, std::move(tags)}};
}

/// An engine and short forms of its operations.
struct subject {
  store& engine;
  std::int64_t now = start_ms;

  store_report put(const entries& xs, bool if_absent = false) {
    return engine.put(xs, if_absent, now);
  }

  lookups fetch(const keys& xs) {
    return engine.fetch(xs, now);
  }

  lookup find(std::string_view name, tenant_id tenant = 0) {
    return fetch({key(name, tenant)}).at(0);
  }

  bool has(std::string_view name, tenant_id tenant = 0) {
    return find(name, tenant).hit();
  }

  std::vector<bool> remove(const removals& xs) {
    auto report = engine.remove(xs, now);
    CAF_CHECK(!report.why);
    return report.existed;
  }

  std::uint64_t purge(const selector& what, version_t up_to) {
    auto n = engine.purge(what, up_to, now);
    if (!n)
      CAF_FAIL(to_string(n.error()));
    return *n;
  }

  /// All keys, over all pages.
  std::set<std::string> list(tenant_id tenant, const std::string& glob,
                             std::size_t budget = 10) {
    std::set<std::string> result;
    std::string cursor;
    for (;;) {
      auto page = engine.list(tenant, glob, cursor, budget, now);
      if (!page)
        CAF_FAIL(to_string(page.error()));
      result.insert(page->found.begin(), page->found.end());
      if (page->done)
        return result;
      cursor = page->next;
    }
  }

  std::uint64_t count(tenant_id tenant) {
    auto n = engine.count(tenant);
    if (!n)
      CAF_FAIL(to_string(n.error()));
    return *n;
  }
};

/// True for a miss; what else stands in it has no meaning.
bool missed(const lookup& x) {
  return x.what == lookup::outcome::miss;
}

/// Runs a case on every engine that keeps things.
template <class Case>
void on_real_stores(Case run) {
  for (auto& x : real_stores()) {
    CAF_MESSAGE(x.name);
    subject s{*x.engine};
    run(s);
  }
}

} // namespace

// -- look-ups -----------------------------------------------------------------

CAF_TEST(what was never stored is a miss) {
  auto run = [](subject& s) {
    CAF_CHECK(missed(s.find("a")));
    CAF_CHECK(s.fetch({}).empty());
    CAF_CHECK(s.remove({{key("a"), 1}}) == std::vector<bool>{false});
    CAF_CHECK_EQUAL(s.purge({kind::all, 0, ""}, 9), 0u);
    CAF_CHECK(s.list(0, "*").empty());
    CAF_CHECK_EQUAL(s.count(0), 0u);
  };
  on_real_stores(run);
  auto null = make_null_store();
  subject s{*null.engine};
  run(s);
}

CAF_TEST(the null store keeps nothing and says so) {
  auto null = make_null_store();
  subject s{*null.engine};
  auto report = s.put({make("a", 1), make("b", 1)});
  CAF_CHECK_EQUAL(report.stored, 0u);
  CAF_CHECK_EQUAL(report.refused, 2u);
  CAF_CHECK(!s.has("a"));
  CAF_CHECK_EQUAL(s.engine.sweep(s.now, 7), 7u);
  tier_status x;
  s.engine.describe(x);
  CAF_CHECK(x.tier == tier_kind::none);
}

CAF_TEST(what was stored comes back with everything that belongs to it) {
  on_real_stores([](subject& s) {
    auto x = make("a", 7, "value", s.now + minute, {"red", "green"});
    CAF_CHECK_EQUAL(s.put({x}).stored, 1u);
    auto found = s.find("a");
    CAF_CHECK(found.hit());
    CAF_CHECK(found.from == s.engine.kind());
    CAF_CHECK(found.data == x.data);
  });
}

CAF_TEST(answers stand in the order of the keys) {
  on_real_stores([](subject& s) {
    s.put({make("a", 1, "A"), make("b", 1, "B"), make("c", 1, "C")});
    auto found = s.fetch({key("c"), key("none"), key("a"), key("c")});
    CAF_REQUIRE_EQUAL(found.size(), 4u);
    CAF_CHECK(found[0].data.value.view() == "C");
    CAF_CHECK(missed(found[1]));
    CAF_CHECK(found[2].data.value.view() == "A");
    CAF_CHECK(found[3].data.value.view() == "C");
  });
}

CAF_TEST(keys and values may hold any bytes and be empty) {
  on_real_stores([](subject& s) {
    std::string bytes;
    for (int i = 0; i < 256; ++i)
      bytes += static_cast<char>(i);
    s.put({make(bytes, 1, "binary key"), make("empty value", 1, ""),
           make("binary value", 1, bytes + bytes), make("", 1, "empty key")});
    CAF_CHECK(s.find(bytes).data.value.view() == "binary key");
    CAF_CHECK(s.has("empty value"));
    CAF_CHECK(s.find("empty value").data.value.empty());
    CAF_CHECK(s.find("binary value").data.value.view() == bytes + bytes);
    CAF_CHECK(s.find("").data.value.view() == "empty key");
    CAF_CHECK_EQUAL(s.list(0, "*").size(), 4u);
  });
}

CAF_TEST(tenants do not see each other) {
  on_real_stores([](subject& s) {
    s.put({make("a", 1, "zero"), make("a", 1, "one", 0, {"t"}, 1),
           make("a", 1, "big", 0, {"t"}, 65535)});
    CAF_CHECK(s.find("a", 1).data.value.view() == "one");
    CAF_CHECK_EQUAL(s.count(1), 1u);
    CAF_CHECK_EQUAL(s.purge({kind::tag, 1, "t"}, 9), 1u);
    CAF_CHECK(!s.has("a", 1));
    CAF_CHECK(s.has("a", 0));
    CAF_CHECK(s.has("a", 65535));
    CAF_CHECK_EQUAL(s.purge({kind::tenant, 65535, ""}, 9), 1u);
    CAF_CHECK(s.has("a", 0));
  });
}

// -- expiry -------------------------------------------------------------------

CAF_TEST(a record lives until the very millisecond before its expiry) {
  on_real_stores([](subject& s) {
    s.put({make("a", 1, "v", s.now + minute)});
    s.now += minute - 1;
    CAF_CHECK(s.has("a"));
    CAF_CHECK_EQUAL(s.list(0, "*").size(), 1u);
    s.now += 1;
    CAF_CHECK(missed(s.find("a")));
    CAF_CHECK(s.list(0, "*").empty());
    CAF_CHECK(s.remove({{key("a"), 9}}) == std::vector<bool>{false});
  });
}

CAF_TEST(what has expired already is refused) {
  on_real_stores([](subject& s) {
    auto report = s.put({make("a", 1, "v", s.now), make("b", 1, "v", 1),
                         make("c", 1, "v", s.now + minute)});
    CAF_CHECK_EQUAL(report.stored, 1u);
    CAF_CHECK_EQUAL(report.refused, 2u);
    CAF_CHECK_EQUAL(report.failed, 0u);
    CAF_CHECK(!s.has("a"));
  });
}

CAF_TEST(an expired record is no reason to refuse a promotion) {
  on_real_stores([](subject& s) {
    s.put({make("a", 1, "old", s.now + minute)});
    s.now += minute;
    CAF_CHECK_EQUAL(s.put({make("a", 2, "new")}, true).stored, 1u);
    CAF_CHECK(s.find("a").data.value.view() == "new");
  });
}

CAF_TEST(sweeping leaves live records alone) {
  on_real_stores([](subject& s) {
    for (int i = 0; i < 50; ++i)
      s.put({make("short" + std::to_string(i), 1, "v", s.now + minute),
             make("long" + std::to_string(i), 1)});
    s.now += minute;
    for (int i = 0; i < 100 && s.engine.sweep(s.now, 100) == 0; ++i) {
      // goes on until there is nothing more to do
    }
    CAF_CHECK_EQUAL(s.list(0, "*").size(), 50u);
    CAF_CHECK(s.has("long7"));
  });
}

// -- versions -----------------------------------------------------------------

CAF_TEST(older never replaces newer) {
  on_real_stores([](subject& s) {
    s.put({make("a", 5, "new")});
    auto report = s.put({make("a", 4, "old")});
    CAF_CHECK_EQUAL(report.refused, 1u);
    CAF_CHECK(s.find("a").data.value.view() == "new");
    CAF_CHECK_EQUAL(s.put({make("a", 5, "same")}).stored, 1u);
    CAF_CHECK_EQUAL(s.put({make("a", 6, "newer")}).stored, 1u);
    CAF_CHECK(s.find("a").data.value.view() == "newer");
  });
}

CAF_TEST(within a batch the newest of a key wins) {
  on_real_stores([](subject& s) {
    auto report
      = s.put({make("a", 5, "5"), make("a", 7, "7"), make("a", 6, "6")});
    CAF_CHECK_EQUAL(report.stored, 2u);
    CAF_CHECK_EQUAL(report.refused, 1u);
    CAF_CHECK(s.find("a").data.value.view() == "7");
    CAF_CHECK_EQUAL(s.count(0), 1u);
  });
}

CAF_TEST(a promotion never replaces a live record) {
  on_real_stores([](subject& s) {
    s.put({make("a", 5, "there")});
    auto report = s.put({make("a", 9, "promoted"), make("b", 1, "B")}, true);
    CAF_CHECK_EQUAL(report.stored, 1u);
    CAF_CHECK_EQUAL(report.refused, 1u);
    CAF_CHECK(s.find("a").data.value.view() == "there");
    CAF_CHECK(s.find("b").data.value.view() == "B");
  });
}

CAF_TEST(a removal takes what is not newer than itself) {
  on_real_stores([](subject& s) {
    s.put({make("a", 5), make("b", 5), make("c", 5)});
    CAF_CHECK(
      (s.remove({{key("a"), 6}, {key("none"), 6}, {key("b"), 5}, {key("c"), 4}})
       == std::vector<bool>{true, false, true, false}));
    CAF_CHECK(!s.has("a"));
    CAF_CHECK(!s.has("b"));
    CAF_CHECK(s.has("c"));
  });
}

CAF_TEST(large versions are told apart in all their bits) {
  on_real_stores([](subject& s) {
    constexpr version_t high = (version_t{1} << 62) + 1;
    s.put({make("a", high)});
    CAF_CHECK_EQUAL(s.put({make("a", high - 1)}).refused, 1u);
    CAF_CHECK_EQUAL(s.put({make("a", high + 1)}).stored, 1u);
    CAF_CHECK_EQUAL(s.find("a").data.version, high + 1);
  });
}

// -- purges -------------------------------------------------------------------

CAF_TEST(a purge takes what it selects up to its version) {
  on_real_stores([](subject& s) {
    s.put({make("user:1", 1), make("user:2", 9), make("item:1", 1),
           make("a*b", 1), make("aXb", 1),
           make("red", 1, "v", 0, {"c:red", "x"}),
           make("newer red", 9, "v", 0, {"c:red"}),
           make("gone", 1, "v", s.now + minute)});
    CAF_CHECK_EQUAL(s.purge({kind::prefix, 0, "user:"}, 5), 1u);
    CAF_CHECK(!s.has("user:1"));
    CAF_CHECK(s.has("user:2"));
    CAF_CHECK_EQUAL(s.purge({kind::glob, 0, "a\\*b"}, 5), 1u);
    CAF_CHECK(s.has("aXb"));
    CAF_CHECK_EQUAL(s.purge({kind::glob, 0, "i*m:[0-3]"}, 5), 1u);
    CAF_CHECK_EQUAL(s.purge({kind::tag, 0, "c:red"}, 5), 1u);
    CAF_CHECK(s.has("newer red"));
    CAF_CHECK_EQUAL(s.purge({kind::key, 0, "newer red"}, 8), 0u);
    CAF_CHECK_EQUAL(s.purge({kind::key, 0, "newer red"}, 9), 1u);
    s.now += minute;
    // "aXb" and "user:2" are left; what has expired is not counted.
    CAF_CHECK_EQUAL(s.purge({kind::all, 0, ""}, 100), 2u);
    CAF_CHECK_EQUAL(s.list(0, "*").size(), 0u);
  });
}

CAF_TEST(a prefix is text and not a pattern) {
  on_real_stores([](subject& s) {
    s.put({make("a*[b]\\1", 1), make("aX1", 1)});
    CAF_CHECK_EQUAL(s.purge({kind::prefix, 0, "a*[b]\\"}, 9), 1u);
    CAF_CHECK(s.has("aX1"));
  });
}

CAF_TEST(a purge goes over many records) {
  on_real_stores([](subject& s) {
    entries xs;
    for (int i = 0; i < 5000; ++i)
      xs.push_back(make((i % 2 ? "odd:" : "even:") + std::to_string(i), 1));
    s.put(xs);
    CAF_CHECK_EQUAL(s.purge({kind::prefix, 0, "odd:"}, 1), 2500u);
    CAF_CHECK_EQUAL(s.count(0), 2500u);
  });
}

// -- lists and counts ---------------------------------------------------------

CAF_TEST(pages together hold every key that matches) {
  on_real_stores([](subject& s) {
    entries xs;
    std::set<std::string> expected;
    for (int i = 0; i < 500; ++i) {
      xs.push_back(make("k" + std::to_string(i), 1));
      if (i % 10 == 3)
        expected.insert(xs.back().key);
    }
    xs.push_back(make("other", 1, "v", 0, {}, 1));
    s.put(xs);
    CAF_CHECK_EQUAL(s.list(0, "*", 7).size(), 500u);
    CAF_CHECK(s.list(0, "k*3", 7) == expected);
    CAF_CHECK_EQUAL(s.list(1, "*").size(), 1u);
    CAF_CHECK_EQUAL(s.count(0), 500u);
    CAF_CHECK_EQUAL(s.count(1), 1u);
    CAF_CHECK_EQUAL(s.count(2), 0u);
  });
}

CAF_TEST(patterns of any kind are no danger) {
  on_real_stores([](subject& s) {
    s.put({make(std::string(200, 'a'), 1)});
    CAF_CHECK(s.list(0, "a*a*a*a*a*a*a*a*a*a*a*a*a*b").empty());
    for (auto pattern : {"[", "[a", "[^", "\\", "[z-a]", "***", ""})
      s.list(0, pattern);
    CAF_CHECK_EQUAL(s.list(0, "a*a*a*a*").size(), 1u);
  });
}

// -- against a model ----------------------------------------------------------

namespace {

/// What a store must answer, written as plainly as can be.
class model {
public:
  bool live(const std::string& k, std::int64_t now) const {
    auto i = held_.find(k);
    return i != held_.end() && !i->second.expired(now);
  }

  const record* find(const std::string& k, std::int64_t now) const {
    return live(k, now) ? &held_.at(k) : nullptr;
  }

  bool put(const entry& x, bool if_absent, std::int64_t now) {
    if (auto* old = find(x.key, now))
      if (if_absent || old->version > x.data.version)
        return false;
    held_[x.key] = x.data;
    return true;
  }

  bool remove(const removal& x, std::int64_t now) {
    auto* old = find(x.key, now);
    if (!old || old->version > x.version)
      return false;
    held_.erase(x.key);
    return true;
  }

  std::uint64_t purge(const selector& what, version_t up_to, std::int64_t now) {
    std::uint64_t result = 0;
    std::erase_if(held_, [&](auto& x) {
      if (x.second.version > up_to || !what.matches(x.first, x.second.tags))
        return false;
      result += !x.second.expired(now);
      return true;
    });
    return result;
  }

  std::set<std::string> list(tenant_id tenant, const std::string& glob,
                             std::int64_t now) const {
    std::set<std::string> result;
    for (auto& [k, x] : held_)
      if (tenant_of(k) == tenant && !x.expired(now)
          && glob_match(glob, user_key(k)))
        result.insert(k);
    return result;
  }

private:
  std::map<std::string, record> held_;
};

/// Random operations on all engines and the model at once. Two things are left
/// out because engines may differ: writes older than a record that is gone, and
/// writes that have expired already.
class differential {
public:
  explicit differential(unsigned seed) : random_(seed) {
    // nop
  }

  void step() {
    switch (pick(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return put();
      case 4:
        return remove();
      case 5:
        return purge();
      case 6:
        return list();
      case 7:
        now_ += static_cast<std::int64_t>(pick(20'000));
        return;
      case 8:
        for (auto& x : stores_)
          x.engine->sweep(now_, 1 + pick(50));
        return;
      default:
        return fetch();
    }
  }

private:
  std::size_t pick(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>{0, n - 1}(random_);
  }

  tenant_id some_tenant() {
    return static_cast<tenant_id>(pick(2));
  }

  std::string some_key() {
    static constexpr std::string_view stems[] = {"user:", "item:", "a*", ""};
    std::string name{stems[pick(4)]};
    return qualify(some_tenant(), name += std::to_string(pick(12)));
  }

  record some_record(version_t version) {
    record x;
    std::string value(pick(10) == 0 ? pick(20'000) : pick(100), 'x');
    for (auto& c : value)
      c = static_cast<char>('a' + pick(4));
    x.value = blob::copy(value);
    x.version = version;
    if (pick(3) == 0)
      x.expires_ms = now_ + minute + static_cast<std::int64_t>(pick(minute));
    for (std::size_t i = pick(3); i > 0; --i)
      x.tags.push_back("tag" + std::to_string(pick(4)));
    return x;
  }

  void put() {
    entries xs;
    const bool if_absent = pick(4) == 0;
    store_report expected;
    for (std::size_t i = 1 + pick(5); i > 0; --i) {
      auto k = some_key();
      auto* old = model_.find(k, now_);
      const bool older = old && old->version > 1 && pick(4) == 0;
      xs.push_back({k, some_record(older ? old->version - 1 : ++version_)});
      if (model_.put(xs.back(), if_absent, now_))
        ++expected.stored;
      else
        ++expected.refused;
    }
    for (auto& x : stores_)
      check(x, "put", x.engine->put(xs, if_absent, now_) == expected);
  }

  void remove() {
    removals xs;
    remove_report expected;
    for (std::size_t i = 1 + pick(3); i > 0; --i) {
      auto k = some_key();
      auto* old = model_.find(k, now_);
      const bool older = old && pick(4) == 0;
      xs.push_back({k, older ? old->version - 1 : ++version_});
      expected.existed.push_back(model_.remove(xs.back(), now_));
    }
    for (auto& x : stores_)
      check(x, "remove", x.engine->remove(xs, now_) == expected);
  }

  void purge() {
    selector what{kind::key, some_tenant(), {}};
    switch (pick(12)) {
      case 0:
        what.what = kind::all;
        break;
      case 1:
        what.what = kind::tenant;
        break;
      case 2:
      case 3:
        what = {kind::prefix, what.tenant, pick(2) ? "user:1" : "a*"};
        break;
      case 4:
      case 5:
        what = {kind::glob, what.tenant, pick(2) ? "*:[3-5]" : "u*r:?"};
        break;
      case 6:
      case 7:
      case 8:
        what = {kind::tag, what.tenant, "tag" + std::to_string(pick(4))};
        break;
      default:
        what.text = user_key(some_key());
        break;
    }
    auto up_to = version_ - std::min<version_t>(version_, pick(40));
    auto expected = model_.purge(what, up_to, now_);
    for (auto& x : stores_) {
      auto n = x.engine->purge(what, up_to, now_);
      check(x, "purge of " + to_string(what), n && *n == expected);
    }
  }

  void list() {
    static constexpr const char* globs[] = {"*", "user:*", "*1", "a\\**", "x*"};
    auto tenant = some_tenant();
    std::string glob = globs[pick(5)];
    auto expected = model_.list(tenant, glob, now_);
    for (auto& x : stores_) {
      subject s{*x.engine, now_};
      check(x, "list of " + glob, s.list(tenant, glob) == expected);
      // What has expired may still be counted.
      check(x, "count",
            s.count(tenant) >= model_.list(tenant, "*", now_).size());
    }
  }

  void fetch() {
    keys xs;
    for (std::size_t i = 1 + pick(8); i > 0; --i)
      xs.push_back(some_key());
    for (auto& x : stores_) {
      auto found = x.engine->fetch(xs, now_);
      bool same = found.size() == xs.size();
      for (std::size_t i = 0; same && i < xs.size(); ++i) {
        auto* data = model_.find(xs[i], now_);
        same = data ? found[i] == lookup::found(*data, x.engine->kind())
                    : missed(found[i]);
      }
      check(x, "fetch", same);
    }
  }

  void check(const held_store& x, const std::string& what, bool same) {
    if (!same)
      CAF_FAIL(x.name << " differs from the model: " << what);
  }

  std::mt19937 random_;
  std::vector<held_store> stores_ = real_stores();
  model model_;
  std::int64_t now_ = start_ms;
  version_t version_ = 100;
};

} // namespace

CAF_TEST(all stores answer as the model does) {
  // TERRACE_SEED repeats a failure.
  auto* given = std::getenv("TERRACE_SEED");
  auto seed = given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                    : std::random_device{}();
  CAF_MESSAGE("TERRACE_SEED=" << seed);
  differential all{seed};
  for (int i = 0; i < 400; ++i)
    all.step();
}
