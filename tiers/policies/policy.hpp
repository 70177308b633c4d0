/// The contract of eviction policies: who leaves L1 when it is full.
///
/// A policy orders items. What an item is, the host decides: an entry of L1, a
/// fingerprint in a shadow cache, a line of a trace. So one piece of code
/// serves requests, is tried out beside them, and is measured on traces.
///
/// Single-owner; no clock is read. Items are named by 32-bit ids, which the
/// host's space turns into memory; 0 is no item.
#pragma once

#include "tiers/sample_rank.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

using item_id = std::uint32_t;

/// What every policy keeps with an item, inside the item.
struct policy_item {
  /// Accesses since a policy last looked, saturating. The host's readers raise
  /// it, from any thread; lost updates are harmless. Reset by the policy.
  static constexpr std::uint8_t max_accesses = 3;

  item_id prev = 0; ///< links of the list that has it, the policy's
  item_id next = 0;
  std::uint16_t mark = 0; ///< meaning is the policy's
  std::uint8_t queue = 0; ///< likewise
  mutable std::atomic<std::uint8_t> accesses{0};

  void touch() const noexcept {
    auto n = accesses.load(std::memory_order_relaxed);
    if (n < max_accesses)
      accesses.store(static_cast<std::uint8_t>(n + 1),
                     std::memory_order_relaxed);
  }
};

/// Where items live. `base` is the address of the policy's part of the item
/// with id 0; ids count in units of 8 bytes from there.
class policy_space {
public:
  explicit policy_space(void* base) noexcept : base_(static_cast<char*>(base)) {
    // nop
  }

  policy_space(const policy_space&) = delete;

  policy_space& operator=(const policy_space&) = delete;

  virtual ~policy_space() = default;

  policy_item& operator[](item_id x) const noexcept {
    return *reinterpret_cast<policy_item*>(base_ + (std::size_t{x} << 3));
  }

  /// Hash of the item's key, equal for equal keys as long as the host lives.
  virtual std::uint64_t hash(item_id x) const noexcept = 0;

  /// What the item is charged with; at least 1. Does not change.
  virtual std::uint32_t size(item_id x) const noexcept = 0;

  /// End of its life, Unix milliseconds; 0: never.
  virtual std::int64_t until_ms(item_id x) const noexcept = 0;

  /// Asks for memory beside the items, about so much. False: the host has to
  /// evict first and is about to; ask again later. 0 takes the wish back.
  virtual bool make_room(std::size_t bytes) noexcept {
    static_cast<void>(bytes);
    return true;
  }

private:
  char* base_;
};

class eviction_policy;

/// What a policy can learn about items that it adopts.
struct policy_lesson {
  /// The same policy as it stands with a sample of the same requests, not
  /// empty.
  const eviction_policy& model;
  /// For each item, never falling: which one in the order of the model's
  /// `dump` is most like it.
  std::vector<std::uint32_t> ranks;
};

/// The caller guarantees: an item is inserted once, and erased, evicted or
/// released once, in this order; in between the policy owns its links, queue
/// and mark.
class eviction_policy {
public:
  virtual ~eviction_policy() = default;

  /// Its name in configuration and metrics.
  virtual std::string_view name() const noexcept = 0;

  /// Whether `accessed` is wanted. A policy that only reads the items' counters
  /// says no, and spares the readers the recording.
  virtual bool wants_accesses() const noexcept = 0;

  /// Last `sample_rank` of the keys whose accesses are wanted: there are
  /// policies that want some only, and which may change.
  virtual std::uint64_t wanted_ranks() const noexcept {
    return wants_accesses() ? all_ranks : 0;
  }

  /// What it takes to run it in a cache of many items, as the share of misses
  /// that it must save to be worth that: the reports cost readers, and lists,
  /// counters or a heap cost the writer.
  virtual double price() const noexcept {
    return wants_accesses() ? 0.004 : 0;
  }

  /// An item that was not there came in.
  virtual void inserted(item_id x, std::int64_t now_ms) = 0;

  /// `fresh` takes the place of `old`, with another size perhaps: the key was
  /// written, which is an access, or (`moved`) only its memory changed.
  virtual void
  replaced(item_id old, item_id fresh, bool moved, std::int64_t now_ms)
    = 0;

  /// An access of an item. Not all are reported, and late.
  virtual void accessed(item_id x, std::int64_t now_ms) = 0;

  /// An item left for another reason than eviction.
  virtual void erased(item_id x) = 0;

  /// Unlinks the item to evict and returns it; 0 when there is none. What has
  /// expired goes as soon as it is looked at.
  virtual item_id evict(std::int64_t now_ms) = 0;

  /// How much it would rather keep this item, one of its own, than others:
  /// larger is hotter. What the order of its lists alone tells is left out.
  /// Says something about items of one policy and of now only.
  virtual std::uint16_t hotness(item_id x) const noexcept = 0;

  // Hints, so that the processor fetches early what it will need.

  /// A key that may be about to come in.
  virtual void anticipate(std::uint64_t hash) const noexcept {
    static_cast<void>(hash);
  }

  /// The item that is likely to be looked at first by the next `evict`; 0 if
  /// that is not known.
  virtual item_id next_in_line() const noexcept {
    return 0;
  }

  /// Takes the items that another policy released over, the one to keep least
  /// first. It must be empty. What it remembers of earlier items stays. What it
  /// cannot know of these, it takes from `lesson`, if there is one.
  virtual void adopt(const std::vector<item_id>& xs, std::int64_t now_ms,
                     const policy_lesson* lesson = nullptr) {
    (void)lesson;
    for (auto x : xs)
      inserted(x, now_ms);
  }

  /// Gives all items away, the one to keep least first. The policy is empty
  /// then, and its items may go to another one.
  virtual std::vector<item_id> release() = 0;

  /// Memory it takes beside the items.
  virtual std::size_t bytes() const noexcept {
    return 0;
  }

  /// What that would be, about, with `n` items.
  virtual std::size_t bytes_for(std::size_t n) const noexcept {
    static_cast<void>(n);
    return 0;
  }

  /// Adds figures about the policy, if it has any, that may be summed over
  /// shards.
  virtual void describe(std::map<std::string, std::uint64_t>& out) const;

  /// Hashes of all items in the order of its queues, each from the next to be
  /// examined on. For tests and for people.
  virtual std::vector<std::uint64_t> dump() const = 0;
};

/// The names of all policies in configuration.
inline constexpr std::string_view policy_names[]
  = {"fifo",   "lru",       "lfu",     "slru",  "adaptive",
     "hybrid", "w-tinylfu", "s3-fifo", "sieve", "auto"};

class policy_group;

/// A policy by its name in configuration. Null for a name that is not among
/// `policy_names`. `space` must outlive it. `group`: see shared_trials.hpp;
/// null if there are no other shards.
std::unique_ptr<eviction_policy> make_policy(std::string_view name,
                                             policy_space& space,
                                             policy_group* group = nullptr);

} // namespace terrace
