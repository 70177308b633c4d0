/// LFU with dynamic aging: the least used item leaves, and use is forgotten.
///
/// Source: Arlitt, Cherkasova, Dilley, Friedrich, Jin, "Evaluating content
/// management techniques for web proxy caches" (LFU-DA), 2000. An item's
/// priority is its number of uses plus the cache's age when it was last used;
/// the age is the priority of the last item evicted, so an old favourite is
/// overtaken in the end. Priorities lie within 255 of the age: a ring of lists
/// keeps them in order at constant cost. Weaknesses: counts above 254 are
/// equal, a newcomer must be used again before the next eviction to stay, and
/// forgetting is slow where most items are used often.
#pragma once

#include "tiers/policies/policy_base.hpp"

#include <array>

namespace terrace {

class lfu_policy final : public policy_base {
public:
  using policy_base::policy_base;

  std::string_view name() const noexcept override {
    return "lfu";
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

  /// Its place in the ring.
  std::uint16_t hotness(item_id x) const noexcept override {
    return static_cast<std::uint8_t>(space_[x].queue - age_);
  }

  void adopt(const std::vector<item_id>& xs, std::int64_t now_ms,
             const policy_lesson* lesson) override;

  std::vector<item_id> release() override;

  /// By priority; longest unused first among equals.
  std::vector<std::uint64_t> dump() const override;

private:
  static constexpr std::size_t ring_size = 256;

  void enter(item_id x, std::uint16_t uses) noexcept;

  std::vector<item_id> order() const;

  std::array<item_list, ring_size> ring_; ///< by priority modulo its size
  std::uint8_t age_ = 0;                  ///< likewise; the least priority
  std::size_t count_ = 0;
};

} // namespace terrace
