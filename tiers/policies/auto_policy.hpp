/// Auto: tries all policies out beside the requests, and does as the best one.
///
/// `policy_trials` has a shadow cache for each policy and says which to use. As
/// long as the shadows see all requests (up to 4096 items), the cache follows
/// the shadow in use: what is not in it leaves first, so after a change the
/// cache holds what the new policy would hold as soon as the requests allow.
/// This is how Blum and Burch ("On-line learning and the metrical task system
/// problem", 2000) combine paging algorithms. A larger cache runs the policy
/// itself; after a change the new one adopts the items in the order of the old
/// one. What it did not see, how often an item was used and how long ago, it
/// takes from its shadow: an item gets what the shadow knows of the sampled
/// items that had the same place in the old order. Nothing is flushed either
/// way. Weaknesses: those of `policy_trials`; a larger cache loses something
/// with each change, so where no policy is best for long it has one to three
/// misses in a hundred more than the best; and a change walks over all items at
/// once.
#pragma once

#include "tiers/policies/policy_base.hpp"
#include "tiers/policies/shared_trials.hpp"

#include <algorithm>
#include <map>

namespace terrace {

class auto_policy final : public policy_base {
public:
  using candidate = policy_trials::candidate;

  auto_policy(policy_space& space, std::shared_ptr<shared_trials> trials);

  std::string_view name() const noexcept override {
    return "auto";
  }

  bool wants_accesses() const noexcept override {
    return true;
  }

  /// Those the trials sample, if the policy in use wants none.
  std::uint64_t wanted_ranks() const noexcept override {
    return following() ? all_ranks
                       : std::max(engine_->wanted_ranks(), trials_->ranks());
  }

  void inserted(item_id x, std::int64_t now_ms) override;

  void replaced(item_id old, item_id fresh, bool moved,
                std::int64_t now_ms) override;

  void accessed(item_id x, std::int64_t now_ms) override;

  void erased(item_id x) override;

  item_id evict(std::int64_t now_ms) override;

  /// That of the policy in use.
  std::uint16_t hotness(item_id x) const noexcept override {
    return following() ? policy_base::hotness(x) : engine_->hotness(x);
  }

  void anticipate(std::uint64_t hash) const noexcept override {
    if (!following())
      engine_->anticipate(hash);
  }

  item_id next_in_line() const noexcept override {
    return following() ? 0 : engine_->next_in_line();
  }

  std::vector<item_id> release() override;

  std::size_t bytes() const noexcept override;

  /// policy_*_hits of policy_requests; policy_switches; and policy_in_use_*,
  /// the number of shards that go by a policy.
  void describe(std::map<std::string, std::uint64_t>& out) const override;

  /// That of the policy in use.
  std::vector<std::uint64_t> dump() const override;

  /// What each policy would have hit; requests are those sampled.
  std::vector<candidate> candidates() const {
    return trials_->use([](policy_trials& x) { return x.candidates(); });
  }

  /// Name of the policy in use.
  std::string_view current() const {
    return following() ? leader_name() : engine_name_;
  }

  /// How often it was changed.
  std::uint64_t switches() const noexcept {
    return switches_;
  }

private:
  bool following() const noexcept {
    return engine_ == nullptr;
  }

  /// Shards that share the trials.
  std::size_t sharers() const noexcept {
    return static_cast<std::size_t>(trials_.use_count());
  }

  void try_out(item_id x, bool counts, std::int64_t now_ms);

  /// Does as the trials say now, unless the host has to make room for that.
  void change(std::int64_t now_ms);

  bool room_for(const eviction_policy& next) const noexcept;

  /// Of the trials, which may have changed since.
  std::string_view leader_name() const {
    return trials_->use([](policy_trials& x) { return x.leader().name(); });
  }

  /// Runs the policy of the trials' choice on these items.
  void run(const std::vector<item_id>& xs, std::int64_t now_ms);

  // -- following a shadow -----------------------------------------------------

  void enter(item_id x);

  void leave(item_id x);

  /// Collects what the shadow in use does not have.
  void find_victims();

  item_id next_victim(std::int64_t now_ms);

  void stop_following(std::int64_t now_ms);

  std::shared_ptr<shared_trials> trials_;
  std::uint64_t changes_ = 0; ///< of the trials, that were made here
  std::uint64_t switches_ = 0;
  std::size_t count_ = 0;       ///< of all items
  std::uint64_t size_ = 0;      ///< likewise
  std::uint32_t last_size_ = 0; ///< of the newest
  std::uint64_t capacity_ = 0;  ///< as far as known; 0: never full so far
  bool made_room_ = false;      ///< since something came in
  // While following:
  item_list items_; ///< longest unused first
  hash_index by_hash_;
  std::vector<std::uint64_t> victims_; ///< hashes
  std::size_t first_victim_ = 0;       ///< those before are done
  // Then:
  std::unique_ptr<eviction_policy> engine_; ///< the policy in use
  std::string_view engine_name_;
  /// What was in use before it: should it come back, it still remembers what
  /// it evicted. More than one would take too much memory.
  std::unique_ptr<eviction_policy> retired_;
};

} // namespace terrace
