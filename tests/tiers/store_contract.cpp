// The contract of tiers/store.hpp as a table of cases, held against every
// engine. Random operations are in store_model.cpp.
#define CAF_SUITE tiers.store_contract

#include "tests/support/store_subject.hpp"

#include <set>
#include <string>
#include <vector>

using namespace terrace;
using namespace terrace::test;

namespace {

using kind = selector::kind;

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
