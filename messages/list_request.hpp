/// Asking tiers and the keyspace actor for keys.
#pragma once

#include "messages/key.hpp"

#include <cstdint>
#include <string>

namespace terrace {

/// Asks one tier for a page of keys; see `store::list`.
struct list_request {
  tenant_id tenant = 0;
  std::string glob = "*";
  std::string cursor;
  std::uint64_t budget = 1000;

  friend bool operator==(const list_request&, const list_request&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, list_request& x) {
  return f(x.tenant, x.glob, x.cursor, x.budget);
}

/// Asks the keyspace actor for a step of a scan over all tiers, as the SCAN
/// command does. Cursor zero begins.
struct scan_request {
  tenant_id tenant = 0;
  std::string glob = "*";
  std::uint64_t cursor = 0;
  std::uint64_t count = 10;

  friend bool operator==(const scan_request&, const scan_request&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, scan_request& x) {
  return f(x.tenant, x.glob, x.cursor, x.count);
}

/// Qualified keys found by a step. Cursor zero: the scan is complete.
struct scan_page {
  std::uint64_t cursor = 0;
  keys found;

  friend bool operator==(const scan_page&, const scan_page&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, scan_page& x) {
  return f(x.cursor, x.found);
}

} // namespace terrace
