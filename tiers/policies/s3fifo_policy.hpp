/// S3-FIFO: three FIFO queues instead of an LRU list.
///
/// Source: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for
/// cache eviction", SOSP 2023. New items enter a small queue, a tenth of the
/// total size. What leaves it untouched (fewer than two hits) is evicted and
/// remembered as a ghost; what was touched moves to the main queue, as does a
/// ghost that returns. The main queue gives an item another round per hit, up
/// to three. Readers raise a counter, no more. Not in the paper: while the main
/// queue is being filled one hit is enough, or a cache that fills up for the
/// first time would evict what was used once before what was not used at all.
/// Weakness: an item whose hits come later than its stay in the small queue is
/// lost once; the ghosts correct that at the second miss.
#pragma once

#include "tiers/policies/ghost_table.hpp"
#include "tiers/policies/policy_base.hpp"

namespace terrace {

class s3fifo_policy final : public policy_base {
public:
  using policy_base::policy_base;

  std::string_view name() const noexcept override {
    return "s3-fifo";
  }

  void inserted(item_id x, std::int64_t now_ms) override;

  void replaced(item_id old, item_id fresh, bool moved,
                std::int64_t now_ms) override;

  void erased(item_id x) override;

  item_id evict(std::int64_t now_ms) override;

  std::uint16_t hotness(item_id x) const noexcept override {
    return hotness_in(space_[x].queue, x);
  }

  void anticipate(std::uint64_t hash) const noexcept override {
    ghosts_.prefetch(hash);
  }

  item_id next_in_line() const noexcept override {
    return queues_[small].front();
  }

  void adopt(const std::vector<item_id>& xs, std::int64_t now_ms,
             const policy_lesson* lesson) override;

  std::vector<item_id> release() override;

  std::size_t bytes() const noexcept override {
    return ghosts_.bytes();
  }

  std::size_t bytes_for(std::size_t n) const noexcept override {
    return ghost_table::bytes_for(n);
  }

  /// The small queue, then the main queue, who has fewer rounds left first.
  std::vector<std::uint64_t> dump() const override;

private:
  enum queue_id : std::uint8_t { small, main };

  item_id evict_small(std::int64_t now_ms);

  item_id evict_main(std::int64_t now_ms);

  std::vector<item_id> order() const;

  /// Rounds that an item in the main queue has left.
  std::uint8_t rounds(item_id x) const noexcept;

  std::size_t ghost_limit() const noexcept;

  item_list queues_[2];
  ghost_table ghosts_; ///< left the small queue
};

} // namespace terrace
