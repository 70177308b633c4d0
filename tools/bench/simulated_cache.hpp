/// A cache without contents, run by an eviction policy.
#pragma once

#include "tiers/policies/policy.hpp"
#include "tools/bench/trace.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace terrace::bench {

/// Keys are positions in `trace::keys`. Single-owner.
class simulated_cache {
public:
  /// `capacity` is in objects, or in bytes if the trace has sizes. `policy` is
  /// one that configuration knows, or "fifo-1" or "fifo-2": a queue whose
  /// oldest item goes to its young end if it was read, once, or as many times
  /// as it was read up to three (counters of one bit, and of two).
  simulated_cache(const trace& x, std::string_view policy,
                  std::uint64_t capacity);

  simulated_cache(const simulated_cache&) = delete;

  ~simulated_cache();

  /// Whether a request for `key` is a hit. An access, if it is.
  bool request(std::uint32_t key);

  /// Whether `key`, which is not there, fits in beside all others.
  bool has_room(std::uint32_t key) const noexcept {
    return used_ + size(key) <= capacity_;
  }

  /// Brings in what was missed; then others leave. One larger than the cache
  /// does not come in; false.
  bool insert(std::uint32_t key);

  /// Takes one out. There must be one.
  std::uint32_t evict();

  std::uint32_t size(std::uint32_t key) const noexcept;

  /// Hash of a key.
  std::uint64_t hash(std::uint32_t key) const noexcept;

  const eviction_policy& policy() const noexcept {
    return *policy_;
  }

private:
  struct item;
  class item_space;

  std::vector<item> items_;
  std::unique_ptr<item_space> space_;
  std::unique_ptr<eviction_policy> policy_;
  std::vector<bool> resident_;
  unsigned chances_ = 0; ///< of one who was read: none, one, or as many times
  bool reports_ = false; ///< the policy wants accesses
  std::uint64_t capacity_;
  std::uint64_t used_ = 0;
};

} // namespace terrace::bench
