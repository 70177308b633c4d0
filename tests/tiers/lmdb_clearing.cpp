// What has been cleared stays cleared, however its rows are deleted.
#define CAF_SUITE tiers.lmdb_clearing

#include "tests/support/lmdb_fixture.hpp"

#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace terrace;
using namespace terrace::test;

namespace {

struct fixture : lmdb_fixture {
  /// Writes ten entries with versions from `from` on and two tags.
  void write_ten(version_t from, tenant_id tenant = 0) {
    std::vector<entry> xs;
    for (int i = 0; i < 10; ++i)
      xs.push_back(make(numbered("k", i), from++, "x", 0,
                        {i % 2 == 0 ? "even" : "odd", "all"}, tenant));
    CAF_REQUIRE_EQUAL(uut->put(xs, false, t0).stored, 10u);
  }

  std::size_t live(tenant_id tenant = 0) {
    auto result = keys_of("*", 100, tenant).size();
    CAF_CHECK_EQUAL(count(tenant), result);
    return result;
  }

  bool remove_from(const std::string& name, version_t version,
                   tenant_id tenant) {
    removal x{key(name, tenant), version};
    return uut->remove({&x, 1}, t0).existed.at(0);
  }

  /// Deletes the rows of what was cleared.
  void sweep() {
    while (uut->sweep(t0, 100) == 0) {
      // there is more
    }
    CAF_CHECK_EQUAL(extra("cleared_entries"), 0u);
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(lmdb_clearing_tests, fixture)

CAF_TEST(clearing one tenant while the rows of another are deleted) {
  write_ten(1, 1);
  write_ten(11, 0);
  CAF_CHECK_EQUAL(purge(selector::kind::tenant, "", 20, 1), 10u);
  CAF_CHECK_EQUAL(uut->sweep(t0, 5), 0u); // half of them
  CAF_CHECK_EQUAL(purge(selector::kind::tenant, "", 20, 0), 10u);
  sweep();
  CAF_CHECK_EQUAL(live(0), 0u);
  CAF_CHECK_EQUAL(live(1), 0u);
  CAF_CHECK_EQUAL(status().entries, 0u);
}

CAF_TEST(clearing a tenant again while its rows are deleted) {
  write_ten(1);
  CAF_CHECK_EQUAL(purge(selector::kind::tenant, "", 10), 10u);
  CAF_CHECK_EQUAL(uut->sweep(t0, 5), 0u);
  write_ten(11);
  CAF_CHECK_EQUAL(purge(selector::kind::tenant, "", 20), 10u);
  sweep();
  CAF_CHECK_EQUAL(live(), 0u);
  CAF_CHECK_EQUAL(status().entries, 0u);
}

CAF_TEST(clearing a tenant while the rows of its tags are deleted) {
  write_ten(1);
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "even", 10), 5u);
  CAF_CHECK_EQUAL(uut->sweep(t0, 2), 0u);
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "odd", 10), 5u);
  CAF_CHECK_EQUAL(purge(selector::kind::tenant, "", 10), 0u);
  write_ten(11);
  sweep();
  CAF_CHECK_EQUAL(live(), 10u);
  CAF_CHECK_EQUAL(purge(selector::kind::tag, "all", 20), 10u);
  sweep();
  CAF_CHECK_EQUAL(live(), 0u);
  CAF_CHECK_EQUAL(status().entries, 0u);
}

CAF_TEST(what was cleared in the journal is not seen after a crash) {
  write_ten(1);
  std::vector<entry> xs;
  for (int i = 0; i < 300; ++i) // more than go into the tree at once
    xs.push_back(
      make(numbered("j", i), static_cast<version_t>(i) + 11, "x", 0, {"all"}));
  stage(xs);
  CAF_REQUIRE(uut->commit(t0));
  CAF_CHECK_EQUAL(extra("journal_entries"), 300u);
  lmdb_purge walk;
  walk.what = {selector::kind::tag, 0, "all"};
  walk.up_to = 310;
  CAF_REQUIRE(uut->purge_some(walk, t0));
  CAF_CHECK_EQUAL(live(), 0u);
  // What it has noted in memory has not been committed. The rest is on disk, so
  // all of them are hidden, before and after they reach the tree.
  temp_dir copy;
  std::filesystem::copy_file(dir.path() + "/data.mdb",
                             copy.path() + "/data.mdb");
  auto x = lmdb_store::open(opts, compression, copy.path());
  CAF_REQUIRE(x);
  uut = std::move(*x);
  CAF_CHECK_EQUAL(extra("journal_entries"), 300u);
  CAF_CHECK_EQUAL(value("j7"), "-");
  CAF_CHECK_EQUAL(live(), 0u);
  sweep();
  CAF_CHECK_EQUAL(live(), 0u);
  CAF_REQUIRE(uut->flush(t0));
  CAF_CHECK_EQUAL(live(), 0u);
  CAF_CHECK_EQUAL(status().entries, 0u);
}

// -- model --------------------------------------------------------------------

CAF_TEST(random clearings agree with a map at any step of a sweep) {
  constexpr unsigned seed = 20240611;
  CAF_MESSAGE("seed " << seed);
  std::mt19937 rng{seed};
  auto below = [&rng](unsigned n) { return static_cast<int>(rng() % n); };
  std::map<std::string, std::string> model[2]; // key -> tag, of each tenant
  version_t version = 0;
  using kind = selector::kind;
  for (int step = 0; step < 3000; ++step) {
    auto tenant = static_cast<tenant_id>(below(2));
    auto& there = model[tenant];
    auto name = numbered("k", below(60));
    auto tag = numbered("t", below(3));
    switch (below(12)) {
      case 0: {
        auto n = std::erase_if(there, [&](auto& x) { return x.second == tag; });
        CAF_CHECK_EQUAL(purge(kind::tag, tag, version, tenant), n);
        break;
      }
      case 1:
        CAF_CHECK_EQUAL(purge(kind::tenant, "", version, tenant), there.size());
        there.clear();
        break;
      case 2:
        CAF_CHECK_EQUAL(remove_from(name, ++version, tenant),
                        there.erase(name) > 0);
        break;
      case 3:
        if (below(10) == 0)
          open();
        break;
      case 4:
      case 5:
        uut->sweep(t0, static_cast<std::size_t>(1 + below(9)));
        break;
      default:
        put(make(name, ++version, "x", 0, {tag}, tenant));
        there[name] = tag;
    }
    for (tenant_id t : {0, 1}) {
      auto n = live(t);
      if (n != model[t].size())
        CAF_FAIL("step " << step << ": " << n << " live in " << t << " of "
                         << model[t].size());
    }
    CAF_CHECK_EQUAL(status().entries, model[0].size() + model[1].size());
  }
  sweep();
  for (tenant_id t : {0, 1})
    for (auto& x : keys_of("*", 100, t))
      CAF_CHECK_EQUAL(model[t].count(x), 1u);
}

CAF_TEST_FIXTURE_SCOPE_END()
