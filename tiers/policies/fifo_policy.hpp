/// FIFO: the oldest item leaves, used or not.
///
/// No source: the oldest policy there is. Readers cost nothing, and a scan
/// pushes out no more than its own length. Weakness: a popular item leaves as
/// often as a useless one, and costs a miss each time; on most request streams
/// every other policy of this folder is better.
#pragma once

#include "tiers/policies/policy_base.hpp"

namespace terrace {

class fifo_policy final : public policy_base {
public:
  using policy_base::policy_base;

  std::string_view name() const noexcept override {
    return "fifo";
  }

  void inserted(item_id x, std::int64_t now_ms) override;

  void replaced(item_id old, item_id fresh, bool moved,
                std::int64_t now_ms) override;

  void erased(item_id x) override;

  item_id evict(std::int64_t now_ms) override;

  std::vector<item_id> release() override;

  std::vector<std::uint64_t> dump() const override;

private:
  item_list items_; ///< oldest first
};

} // namespace terrace
