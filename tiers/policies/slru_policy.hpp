/// SLRU: an LRU list for what was used once, another for what was used again.
///
/// Source: Karedla, Love, Wherry, "Caching strategies to improve disk system
/// performance", IEEE Computer 27 (3), 1994. Newcomers are on probation; a hit
/// protects an item. The protected part has four fifths of the total size; who
/// is pushed out of it is on probation again. Items leave from probation only,
/// so a scan cannot push out what is protected. Weaknesses: what is used twice
/// in a row counts as valuable, and after a change of the working set old
/// protected items go slowly.
#pragma once

#include "tiers/policies/policy_base.hpp"

namespace terrace {

class slru_policy final : public policy_base {
public:
  using policy_base::policy_base;

  std::string_view name() const noexcept override {
    return "slru";
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

  std::uint16_t hotness(item_id x) const noexcept override {
    return hotness_in(space_[x].queue, x);
  }

  void adopt(const std::vector<item_id>& xs, std::int64_t now_ms,
             const policy_lesson* lesson) override;

  std::vector<item_id> release() override;

  /// The probation list, then the protected one.
  std::vector<std::uint64_t> dump() const override;

private:
  enum queue_id : std::uint8_t { probation, guarded };

  item_list queues_[2]; ///< longest unused first
};

} // namespace terrace
