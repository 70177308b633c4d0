/// A disk store in a folder of its own.
#pragma once

#include "tests/support/entries.hpp"
#include "tests/support/temp_dir.hpp"
#include "tiers/lmdb_store.hpp"

#include <caf/test/unit_test.hpp>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace terrace::test {

inline constexpr std::int64_t t0 = 1'000'000;

inline std::string numbered(std::string_view prefix, int i) {
  return std::string{prefix} + std::to_string(i);
}

struct lmdb_fixture {
  temp_dir dir;
  disk_options opts;
  compression_options compression;
  std::unique_ptr<lmdb_store> uut;

  lmdb_fixture() {
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

  /// Writes `n` entries of 400 bytes from number `from` on, with the number as
  /// version.
  void fill(std::string_view prefix, int from, int n) {
    std::vector<entry> xs;
    for (int i = from; i < from + n; ++i)
      xs.push_back(make(numbered(prefix, i), static_cast<version_t>(i) + 1,
                        std::string(400, 'x')));
    auto report = uut->put(xs, false, t0);
    CAF_REQUIRE_EQUAL(report.stored, xs.size());
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

} // namespace terrace::test
