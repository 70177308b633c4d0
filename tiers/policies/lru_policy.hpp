/// LRU: what was not used for the longest time leaves.
///
/// No source: folklore since the 1960s. Right for requests that come in
/// clusters, and quick to follow a change. Weaknesses: one scan replaces
/// everything, a loop slightly longer than the cache misses always, and every
/// hit moves an item, which readers have to report.
#pragma once

#include "tiers/policies/policy_base.hpp"

namespace terrace {

class lru_policy final : public policy_base {
public:
  using policy_base::policy_base;

  std::string_view name() const noexcept override {
    return "lru";
  }

  bool wants_accesses() const noexcept override {
    return true;
  }

  void inserted(item_id x, std::int64_t now_ms) override;

  void replaced(item_id old, item_id fresh, bool moved,
                std::int64_t now_ms) override;

  void accessed(item_id x, std::int64_t now_ms) override;

  void erased(item_id x) override;

  item_id evict(std::int64_t now_ms) override;

  std::vector<item_id> release() override;

  std::vector<std::uint64_t> dump() const override;

private:
  item_list items_; ///< longest unused first
};

} // namespace terrace
