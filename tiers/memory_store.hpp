/// One shard of L1: the writer's side of a `memory_table`, its bounds, expiry
/// and eviction.
#pragma once

#include "config/options.hpp"
#include "messages/hot_key.hpp"
#include "tiers/memory_insight.hpp"
#include "tiers/memory_view.hpp"
#include "tiers/policies/policy.hpp"
#include "tiers/store.hpp"
#include "tiers/timer_wheel.hpp"

#include <functional>
#include <memory>
#include <unordered_map>

namespace terrace {

/// Single-owner: one thread at a time calls it, while any number of threads
/// read through the view. Bounds are per shard: the configured ones divided by
/// the number of shards. Bytes are true costs: objects of the arena with their
/// rounding, what entries have outside of it, the table's buckets, and what
/// policy, timers and insight remember. Churn of mixed sizes leaves holes in
/// the arena's pages; when pages exceed the bound by more than a 64th,
/// their objects are moved together, a few pages a call.
class memory_store final : public store {
public:
  /// Called for every entry that eviction removes, before it is gone. Runs on
  /// the writer's thread and must not call back.
  using eviction_callback = std::function<void(const memory_node&)>;

  // -- constructors -----------------------------------------------------------

  memory_store(const memory_options& opts, memory_view_ptr view,
               std::size_t shard);

  ~memory_store() override;

  /// A view that fits `opts`.
  static memory_view_ptr make_view(const memory_options& opts,
                                   std::size_t shards, std::uint64_t seed);

  void on_evict(eviction_callback f) {
    on_evict_ = std::move(f);
  }

  /// Changes the bounds; the other options stay. What no longer fits leaves in
  /// steps, with the calls to come.
  void resize(std::uint64_t max_size, std::uint64_t max_entries);

  /// Goes over to another policy, which takes the entries in the order in which
  /// the present one would keep them. An unknown name changes nothing and
  /// returns false.
  bool change_policy(std::string_view name);

  /// Gives back this many bytes, with the calls to come, and stays at what is
  /// left then, because memory is short elsewhere; 0: may grow to the bound
  /// again.
  void shed(std::size_t bytes) noexcept;

  const eviction_policy& policy() const noexcept {
    return *policy_;
  }

  // -- store ------------------------------------------------------------------

  tier_kind kind() const noexcept override {
    return tier_kind::memory;
  }

  /// Neither counts as an access nor as a hit: look-ups that count go through
  /// the view.
  lookups fetch(std::span<const std::string> keys,
                std::int64_t now_ms) override;

  store_report put(std::span<const entry> xs, bool if_absent,
                   std::int64_t now_ms) override;

  remove_report remove(std::span<const removal> xs,
                       std::int64_t now_ms) override;

  /// Walks the shard once; readers go on meanwhile.
  expected<std::uint64_t> purge(const selector& what, version_t up_to,
                                std::int64_t now_ms) override;

  expected<key_page> list(tenant_id tenant, const std::string& glob,
                          const std::string& cursor, std::size_t budget,
                          std::int64_t now_ms) override;

  expected<std::uint64_t> count(tenant_id tenant) override;

  std::size_t sweep(std::int64_t now_ms, std::size_t budget) override;

  void describe(tier_status& out) override;

  // -- warm restart -----------------------------------------------------------

  /// A step of a walk over the live keys that the policy holds for hot, those
  /// of `hotness` below `floor` left out. About `budget` keys are looked at;
  /// cursor zero begins, and comes back after the last. A key that is there
  /// during the whole walk is found at least once. Values are not touched.
  hot_page hottest(const hot_request& x, std::int64_t now_ms) const;

  /// Bytes that can be stored before something is evicted for them, about.
  std::size_t room() const noexcept;

private:
  enum class verdict { stored, refused };

  /// The entries as policies see them.
  class space final : public policy_space {
  public:
    explicit space(memory_store& owner) noexcept;

    std::uint64_t hash(item_id x) const noexcept override;

    std::uint32_t size(item_id x) const noexcept override;

    std::int64_t until_ms(item_id x) const noexcept override;

    bool make_room(std::size_t bytes) noexcept override;

  private:
    memory_store& owner_;
    memory_table& table_;
  };

  /// Accesses of each thread looked at in the course of writes: readers that
  /// are much faster than writers must not slow them down.
  static constexpr std::size_t drained_at_once = 32;

  // entries (memory_store.cpp)

  verdict put_one(const entry& x, bool if_absent, std::int64_t now_ms);

  memory_node* make_node(const entry& x, std::int64_t until_ms,
                         std::int64_t now_ms);

  /// Forgets a node that `table_.erase` returned.
  void drop(memory_node& x);

  void begin(std::int64_t now_ms);

  void watch(memory_node& x);

  void account(const memory_node& x, bool added);

  std::uint64_t& count_of(tenant_id tenant);

  // bounds (memory_upkeep.cpp)

  /// Asks the processor for what storing a key, and evicting for it, looks at.
  void look_ahead(std::uint64_t hash) const noexcept;

  std::size_t most_aside() const noexcept;

  std::size_t bytes() const noexcept;

  bool over_bound() const noexcept;

  bool evict_one(std::int64_t now_ms);

  void evict_to_bound(std::int64_t now_ms);

  /// Takes room from the entries, some more with each call; true when all of it
  /// is there, until the policy's memory is counted.
  bool make_room(std::size_t bytes) noexcept;

  void drain(std::size_t most);

  /// Has readers remember what is of use now.
  void ask_readers();

  /// Bytes taken from the system, and those that are about to be.
  std::size_t held() const noexcept;

  /// What `held` may be before pages are emptied.
  std::size_t most_held() const noexcept;

  void compact();

  void move_together(void* page);

  memory_options opts_;
  memory_view_ptr view_;
  std::size_t shard_;
  memory_table& table_;
  std::size_t max_bytes_;
  std::size_t max_entries_;
  space space_;
  std::unique_ptr<eviction_policy> policy_;
  memory_view::access_cursor drained_; ///< how far readers' accesses are seen
  std::size_t undrained_ = 0;          ///< evicting writes since
  std::int64_t now_ms_ = 0;            ///< of the call at hand
  eviction_callback on_evict_;
  std::size_t entry_bytes_ = 0;
  std::size_t outside_bytes_ = 0; ///< of them, outside the arena
  std::unordered_map<tenant_id, std::uint64_t> per_tenant_;
  std::pair<tenant_id, std::uint64_t*> last_tenant_{0, nullptr};
  timer_wheel timers_;
  memory_insight insight_;
  std::size_t aside_bytes_ = 0;   ///< of policy, timers, insight; last sweep
  std::size_t room_bytes_ = 0;    ///< that the policy is about to take
  bool room_given_ = false;       ///< all that it asked for
  std::size_t compact_above_ = 0; ///< bytes held, until the next sweep
  std::size_t shed_bytes_ = 0;    ///< of the bound, while memory is short
  std::uint64_t evictions_ = 0;
  std::uint64_t expirations_ = 0;
  std::uint64_t moves_ = 0;
};

} // namespace terrace
