/// A cache of fingerprints that tries out a policy on a sample of requests.
///
/// About 100 bytes an item, and what the policy keeps. Two keys of one 64-bit
/// hash are one item.
#pragma once

#include "tiers/policies/hash_index.hpp"

namespace terrace {

/// What was asked for.
struct shadow_request {
  std::uint64_t hash = 0;
  std::uint32_t size = 1;
  std::int64_t until_ms = 0;
};

class shadow_cache {
public:
  /// Has room for `slots` items, however small they are.
  shadow_cache(std::string_view policy, std::size_t slots);

  ~shadow_cache();

  std::string_view name() const noexcept {
    return policy_->name();
  }

  const eviction_policy& policy() const noexcept {
    return *policy_;
  }

  /// That of its policy.
  double price() const noexcept {
    return policy_->price();
  }

  std::size_t count() const noexcept {
    return count_;
  }

  std::uint64_t size() const noexcept {
    return size_;
  }

  bool contains(std::uint64_t hash) const noexcept {
    return index_.find(hash) != 0;
  }

  /// For each of `hashes` the place that its item has, or would have, in
  /// `dump`: 0 for who is not there.
  std::vector<std::uint32_t>
  ranks(const std::vector<std::uint64_t>& hashes) const;

  /// Number of items that `x` does not have.
  std::size_t strange_to(const shadow_cache& x) const;

  /// Asks for an item, which comes in if it is not there, or is expired.
  /// Returns whether it was there. Another size or end of life than before
  /// means that it was written.
  bool request(const shadow_request& x, std::int64_t now_ms);

  void erase(std::uint64_t hash);

  /// Evicts down to `capacity`, and appends to `evicted`, if given, the hashes
  /// of what left.
  void shrink(std::uint64_t capacity, std::int64_t now_ms,
              std::vector<std::uint64_t>* evicted = nullptr);

  /// Drops the items for which `wanted` is false.
  template <class F>
  void keep(F wanted) {
    std::vector<std::uint64_t> hashes;
    index_.collect([&](std::uint64_t x) { return !wanted(x); }, hashes);
    for (auto hash : hashes)
      erase(hash);
  }

  /// Memory of what is in it, about.
  std::size_t bytes() const noexcept {
    return count_ * bytes_per_item + index_.bytes() + policy_->bytes();
  }

  /// Hashes in the order of the policy.
  std::vector<std::uint64_t> dump() const {
    return policy_->dump();
  }

private:
  static constexpr std::size_t bytes_per_item = 48;

  struct slot;
  class space;

  item_id take_slot(const shadow_request& x);

  /// Forgets an item that the policy does not have any more.
  void drop(item_id x);

  std::unique_ptr<slot[]> slots_;   ///< number 0 is not used
  std::vector<std::uint32_t> free_; ///< slots
  hash_index index_;
  std::unique_ptr<space> space_;
  std::unique_ptr<eviction_policy> policy_;
  bool reports_; ///< accesses, to the policy
  std::size_t count_ = 0;
  std::uint64_t size_ = 0;
};

} // namespace terrace
