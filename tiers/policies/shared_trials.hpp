/// One set of trials for all shards of a cache: they see parts of the same
/// requests, so together they learn as fast, and at the same cost, as one.
#pragma once

#include "tiers/policies/policy_trials.hpp"

#include <atomic>
#include <memory>
#include <mutex>

namespace terrace {

/// Thread-safe.
class shared_trials {
public:
  explicit shared_trials(std::size_t shards) : shards_(shards) {
    // nop
  }

  /// Whether there is one shard only.
  bool alone() const noexcept {
    return shards_ == 1;
  }

  /// Last `sample_rank` of the keys that are sampled.
  std::uint64_t ranks() const noexcept {
    return ranks_.load(std::memory_order_relaxed);
  }

  bool sampled(std::uint64_t hash) const noexcept {
    return sample_rank(hash) <= ranks();
  }

  /// How often another policy was taken into use.
  std::uint64_t changes() const noexcept {
    return changes_.load(std::memory_order_relaxed);
  }

  /// Calls `f(policy_trials&)` while nobody else has them, and returns what it
  /// returns.
  template <class F>
  auto use(F&& f) {
    std::lock_guard lock{mutex_};
    return f(trials_);
  }

  // As in `policy_trials`. Capacities are those of the caller's shard. While
  // another shard has the trials, a request, an erasure or a decision is left
  // out: it is a sample anyway, and nobody shall wait.

  /// True if the shadows hold too much. The caller calls `thin_out` then.
  bool request(const shadow_request& x, bool counts, std::uint64_t capacity,
               std::int64_t now_ms, std::vector<std::uint64_t>& evicted);

  void erase(std::uint64_t hash);

  /// Nothing if another shard did so meanwhile.
  void thin_out();

  void decide();

  /// Tells the capacity of a shard that became full.
  void shrink(std::uint64_t capacity, std::int64_t now_ms);

private:
  /// Of all shards, which are about equal.
  std::uint64_t whole(std::uint64_t capacity) noexcept;

  std::size_t shards_;
  std::mutex mutex_; ///< of all that is below but atomic
  policy_trials trials_;
  std::uint64_t capacity_ = 0; ///< smoothed
  std::atomic<std::uint64_t> ranks_{all_ranks};
  std::atomic<std::uint64_t> changes_{0};
};

/// What shards of one cache have in common, for policies that are better off if
/// they know of each other. Thread-safe.
class policy_group {
public:
  explicit policy_group(std::size_t shards) noexcept : shards_(shards) {
    // nop
  }

  /// Made for the first that asks; gone with the last that has them.
  std::shared_ptr<shared_trials> trials() {
    std::lock_guard lock{mutex_};
    auto result = trials_.lock();
    if (!result)
      trials_ = result = std::make_shared<shared_trials>(shards_);
    return result;
  }

private:
  std::size_t shards_;
  std::mutex mutex_;
  std::weak_ptr<shared_trials> trials_;
};

} // namespace terrace
