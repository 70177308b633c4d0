/// Tries all policies out on a sample of the requests, and says which is best.
///
/// A key is sampled or not, by its hash, and each policy has a shadow of the
/// cache, smaller by the same rate (Waldspurger, Saemundsson, Ahmad, Park,
/// "Cache modeling and optimization using miniature simulations", USENIX ATC
/// 2017). All keys are sampled until the shadows hold 4096 items; each time
/// they would hold more, the rate is halved. The nine shadows need 4 MiB then,
/// and some 0.7 us for each sampled request, however large the cache is.
///
/// A policy is called better if four things hold of what it missed less than
/// the one in use, older misses fading:
///  - it is a five-hundredth of the misses, so that nothing is done for
///  nothing;
///  - it is three standard deviations of the requests on which they differed;
///  - if the cache runs the policy itself, it is worth the time that takes: the
///  policies' prices are added to their misses, a quarter of them where there
///  is one shard, and nobody waits for what its writer does;
///  - it would pay for the move: by experiment each item in which the shadows
///    differ costs 0.2 misses; if the cache cannot follow the shadow, an item
///    at all costs at least 0.06.
/// Weaknesses: after a change of the requests the past has to fade first; in a
/// cache that turns over some tens of times only in its life there is no time
/// to learn; the shadows see no removal of a key that the cache does not hold.
#pragma once

#include "tiers/policies/shadow_cache.hpp"

namespace terrace {

class policy_trials {
public:
  /// What a policy would have done with the sampled requests so far.
  struct candidate {
    std::string_view name;
    std::uint64_t requests = 0;
    std::uint64_t hits = 0;
  };

  policy_trials();

  ~policy_trials();

  /// Sends a request to all shadows of a cache of `capacity`, 0 if it was never
  /// full; if it does not count, it is a write. Appends to `evicted` what left
  /// the shadow of the policy in use. A key that is not sampled is ignored.
  void request(const shadow_request& x, bool counts, std::uint64_t capacity,
               std::int64_t now_ms, std::vector<std::uint64_t>& evicted);

  void erase(std::uint64_t hash);

  /// Tells the capacity of a cache that became full.
  void shrink(std::uint64_t capacity, std::int64_t now_ms);

  /// True while every key is sampled.
  bool complete() const noexcept {
    return shift_ == 0;
  }

  /// Last `sample_rank` of the keys that are sampled.
  std::uint64_t ranks() const noexcept {
    return all_ranks >> shift_;
  }

  /// True if the shadows hold too much. The caller calls `thin_out` then.
  bool crowded() const noexcept;

  /// Halves the sample.
  void thin_out();

  /// Looks, now and then, whether another policy is better, and takes it into
  /// use. Returns whether it did. `alone`: the cache has one shard, and
  /// does as the shadow in use as long as that sees all.
  bool decide(bool alone);

  /// The shadow of the policy in use.
  shadow_cache& leader() noexcept;

  const shadow_cache& leader() const noexcept;

  /// The shadow of one of the candidates.
  const shadow_cache& shadow(std::string_view name) const noexcept;

  std::vector<candidate> candidates() const;

  /// Memory of all shadows.
  std::size_t bytes() const noexcept;

private:
  struct trial;

  bool sampled(std::uint64_t hash) const noexcept {
    return sample_rank(hash) <= ranks();
  }

  std::vector<trial> trials_;
  std::size_t in_use_ = 0;
  unsigned shift_ = 0;          ///< one key in 2 to this power is sampled
  std::uint64_t requests_ = 0;  ///< that were sampled and count
  std::uint64_t next_look_ = 0; ///< a number of those
};

} // namespace terrace
