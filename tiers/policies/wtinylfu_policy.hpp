/// W-TinyLFU: a small LRU window, and a main part that newcomers enter only if
/// they were asked for more often than who would leave for them.
///
/// Sources: Einziger, Friedman, Manes, "TinyLFU: a highly efficient cache
/// admission policy", ACM ToS 2017; Einziger, Eytan, Friedman, Manes, "Adaptive
/// software cache management", Middleware 2018 (the climber); the constants are
/// those of Caffeine 3. The main part is an SLRU. The window begins at 1 % and
/// is moved by hill climbing: while the hit ratio rises, go on; when it falls,
/// turn back; the steps become smaller. A window of four fifths is nearly LRU.
/// Weaknesses: the climber sees its own hit ratio only, so it takes a change of
/// the requests for its own doing; and it looks after ten requests an item,
/// which is late for a large cache.
#pragma once

#include "tiers/policies/frequency_sketch.hpp"
#include "tiers/policies/policy_base.hpp"

namespace terrace {

class wtinylfu_policy final : public policy_base {
public:
  using policy_base::policy_base;

  std::string_view name() const noexcept override {
    return "w-tinylfu";
  }

  bool wants_accesses() const noexcept override {
    return true;
  }

  double price() const noexcept override {
    return 0.012;
  }

  void inserted(item_id x, std::int64_t now_ms) override;

  void replaced(item_id old, item_id fresh, bool moved,
                std::int64_t now_ms) override;

  void accessed(item_id x, std::int64_t now_ms) override;

  void erased(item_id x) override;

  item_id evict(std::int64_t now_ms) override;

  /// How often it was asked for, as far as the sketch knows.
  std::uint16_t hotness(item_id x) const noexcept override {
    return static_cast<std::uint16_t>(sketch_.frequency(space_.hash(x)));
  }

  void anticipate(std::uint64_t hash) const noexcept override {
    sketch_.prefetch(hash);
  }

  item_id next_in_line() const noexcept override {
    return queues_[probation].front();
  }

  void adopt(const std::vector<item_id>& xs, std::int64_t now_ms,
             const policy_lesson* lesson) override;

  std::vector<item_id> release() override;

  std::size_t bytes() const noexcept override {
    return sketch_.bytes();
  }

  std::size_t bytes_for(std::size_t n) const noexcept override {
    return frequency_sketch::bytes_for(n);
  }

  /// The window, the probation list, the protected list.
  std::vector<std::uint64_t> dump() const override;

private:
  enum queue_id : std::uint8_t { window, probation, guarded };

  void enter(queue_id to, item_id x) noexcept;

  void leave(item_id x) noexcept;

  /// Moves what is too much in the window or protected.
  void balance() noexcept;

  void seen(item_id x, bool hit);

  void climb() noexcept;

  std::uint64_t total() const noexcept;

  std::size_t count() const noexcept;

  std::uint64_t window_bound() const noexcept;

  item_list queues_[3]; ///< longest unused first
  frequency_sketch sketch_;
  bool full_ = false; ///< once something was evicted
  double window_share_ = 0.01;
  // The climber:
  double step_ = -0.0625; ///< of the window's share
  double last_ratio_ = 0; ///< hit ratio of the last sample
  std::uint64_t hits_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t random_ = 88172645463325252;
};

} // namespace terrace
