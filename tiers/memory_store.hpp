/// One shard of L1: the writer's side of a `memory_table`, its bounds, expiry
/// and eviction.
#pragma once

#include "config/options.hpp"
#include "tiers/eviction_policy.hpp"
#include "tiers/memory_view.hpp"
#include "tiers/store.hpp"

#include <functional>
#include <memory>
#include <unordered_map>

namespace terrace {

/// Single-owner: one thread at a time calls it, while any number of threads
/// read through the view. Bounds are per shard: the configured ones divided by
/// the number of shards. Bytes are true costs: allocations with their headers,
/// external values, and the table's own array.
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

private:
  enum class verdict { stored, refused };

  verdict put_one(const entry& x, bool if_absent, std::int64_t now_ms);

  std::size_t bytes() const noexcept;

  bool over_bound() const noexcept;

  void evict_to_bound();

  /// Forgets a node that `table_.erase` returned.
  void drop(memory_node& x);

  void account(const memory_node& x, bool added) noexcept;

  memory_options opts_;
  memory_view_ptr view_;
  memory_table& table_;
  std::size_t max_bytes_;
  std::size_t max_entries_;
  std::unique_ptr<eviction_policy> policy_;
  eviction_callback on_evict_;
  std::size_t entry_bytes_ = 0;
  std::unordered_map<tenant_id, std::uint64_t> per_tenant_;
  std::uint64_t sweep_cursor_ = 0;
  std::uint64_t evictions_ = 0;
  std::uint64_t expirations_ = 0;
};

} // namespace terrace
