/// What is known of keys that L1 holds, hottest first: what a warm restart
/// keeps of them.
#pragma once

#include "messages/key.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace terrace {

/// A key that L1 holds, without its value.
struct hot_key {
  std::string key;             ///< qualified
  std::uint16_t hotness = 0;   ///< larger is hotter, see eviction_policy
  std::uint32_t bytes = 0;     ///< what the entry takes in L1
  std::int64_t expires_ms = 0; ///< Unix time; 0: never

  friend bool operator==(const hot_key&, const hot_key&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, hot_key& x) {
  return f(x.key, x.hotness, x.bytes, x.expires_ms);
}

using hot_keys = std::vector<hot_key>;

/// Asks a shard of L1 for a step of a walk over its keys; see
/// `memory_store::hottest`. Cursor zero begins.
struct hot_request {
  std::uint64_t cursor = 0;
  std::uint16_t floor = 0;     ///< keys less hot than this are left out
  std::uint64_t budget = 1000; ///< keys looked at, about

  friend bool operator==(const hot_request&, const hot_request&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, hot_request& x) {
  return f(x.cursor, x.floor, x.budget);
}

/// Keys found by a step, in no order. Cursor zero: the walk is complete.
struct hot_page {
  std::uint64_t cursor = 0;
  hot_keys found;

  friend bool operator==(const hot_page&, const hot_page&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, hot_page& x) {
  return f(x.cursor, x.found);
}

} // namespace terrace
