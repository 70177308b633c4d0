/// Changes of options while a node runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace terrace {

/// An option by its name, e.g. "memory.max_size", and its value as text.
struct setting {
  std::string name;
  std::string value;

  friend bool operator==(const setting&, const setting&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, setting& x) {
  return f(x.name, x.value);
}

using settings = std::vector<setting>;

/// What the memory tier can change while it runs: bounds for all shards
/// together, and the eviction policy.
struct memory_limits {
  std::uint64_t max_process = 0; ///< of all memory; 0: that of the system
  std::uint64_t max_size = 0;
  std::uint64_t max_entries = 0; ///< 0: bounded by bytes alone
  std::string policy;

  friend bool operator==(const memory_limits&, const memory_limits&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, memory_limits& x) {
  return f(x.max_process, x.max_size, x.max_entries, x.policy);
}

} // namespace terrace
