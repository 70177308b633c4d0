/// What tests ask of every engine alike, in short forms.
#pragma once

#include "tests/support/entries.hpp"
#include "tests/support/stores.hpp"

#include <caf/test/unit_test.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::test {

inline constexpr std::int64_t start_ms = 1'700'000'000'000;

inline constexpr std::int64_t minute = 60'000;

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
inline bool missed(const lookup& x) {
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

} // namespace terrace::test
