/// SIEVE: a FIFO queue whose used items stay where they are.
///
/// Source: Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is simpler than LRU",
/// NSDI 2024. A hand walks from the oldest item to the newest. It spares what
/// was used since it last came by, and takes the first that was not; unlike
/// CLOCK, what is spared keeps its place, so newcomers, which stand together at
/// the end, are sifted soon. Readers raise a counter, no more. Weakness, which
/// the authors admit: no resistance to scans; and for small caches under
/// drifting popularity old items stay too long, as the hand needs a whole round
/// to forget them.
#pragma once

#include "tiers/policies/policy_base.hpp"

namespace terrace {

class sieve_policy final : public policy_base {
public:
  using policy_base::policy_base;

  std::string_view name() const noexcept override {
    return "sieve";
  }

  void inserted(item_id x, std::int64_t now_ms) override;

  void replaced(item_id old, item_id fresh, bool moved,
                std::int64_t now_ms) override;

  void erased(item_id x) override;

  item_id evict(std::int64_t now_ms) override;

  item_id next_in_line() const noexcept override {
    return hand_ != 0 ? hand_ : items_.front();
  }

  std::vector<item_id> release() override;

  std::vector<std::uint64_t> dump() const override;

private:
  std::vector<item_id> order() const;

  item_list items_;  ///< oldest first
  item_id hand_ = 0; ///< next to examine; 0: the oldest
};

} // namespace terrace
