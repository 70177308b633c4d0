/// Adaptive: a score of all that is known about an item.
///
/// Sources: the idea of sampled eviction by a predicted use is that of
/// Beckmann, Chen, Cidon, "LHD: improving cache hit rate by maximizing hit
/// density", NSDI 2018, and Blankstein, Sen, Freedman, "Hyperbolic caching",
/// USENIX ATC 2017; the weights are Terrace's. Out of `sample_size` items drawn
/// by chance (all of a smaller cache) the one with the least score leaves. The
/// score is a sum of logarithms to base 2, so that each part is a factor:
///
///   part        weight  value
///   recency      1      - log(1 + cachefuls of requests since the last use)
///   frequency    1      log(1 + uses lately, also before its last eviction)
///   size        -0.5    log(its size / mean size)
///   regularity   1      of an item used at a steady interval: +1 while its
///                       next use is due, -1 once that is overdue
///   lifetime     1      log(share of a cacheful of requests that it will see
///                       before it expires), at most 0
///
/// Weaknesses: the weights are fixed; sampling spares some bad items and costs
/// a memory miss each; 24 bytes an item.
#pragma once

#include "tiers/page_vector.hpp"
#include "tiers/policies/frequency_sketch.hpp"
#include "tiers/policies/policy_base.hpp"

#include <span>

namespace terrace {

class adaptive_policy final : public policy_base {
public:
  using policy_base::policy_base;

  std::string_view name() const noexcept override {
    return "adaptive";
  }

  bool wants_accesses() const noexcept override {
    return true;
  }

  double price() const noexcept override {
    return 0.04;
  }

  void inserted(item_id x, std::int64_t now_ms) override;

  void replaced(item_id old, item_id fresh, bool moved,
                std::int64_t now_ms) override;

  void accessed(item_id x, std::int64_t now_ms) override;

  void erased(item_id x) override;

  item_id evict(std::int64_t now_ms) override;

  /// Its score at the last access.
  std::uint16_t hotness(item_id x) const noexcept override {
    return hotness_of(score(records_[space_[x].prev], last_ms_));
  }

  void adopt(const std::vector<item_id>& xs, std::int64_t now_ms,
             const policy_lesson* lesson) override;

  std::vector<item_id> release() override;

  std::size_t bytes() const noexcept override {
    return records_.capacity() * sizeof(record) + sketch_.bytes();
  }

  std::size_t bytes_for(std::size_t n) const noexcept override {
    return n * sizeof(record) + frequency_sketch::bytes_for(n);
  }

  /// By score, the least first.
  std::vector<std::uint64_t> dump() const override;

private:
  /// What is known of an item. Times are numbers of requests.
  struct record {
    item_id item = 0;
    std::uint32_t last = 0;     ///< use
    std::uint32_t interval = 0; ///< mean; 0: used once
    std::uint32_t jitter = 0;   ///< mean difference from that
  };

  double score(const record& x, std::int64_t now_ms) const noexcept;

  /// Chooses records at random, all there are if that is not more than fit;
  /// returns how many.
  std::size_t draw(std::span<std::size_t> out) noexcept;

  void learn(const std::vector<item_id>& xs, const policy_lesson& lesson);

  void tick(std::int64_t now_ms) noexcept;

  void take(std::size_t i) noexcept;

  std::vector<item_id> order(std::int64_t now_ms) const;

  page_vector<record> records_; ///< an item's `prev` is its place
  frequency_sketch sketch_;
  std::uint64_t size_ = 0;
  std::uint32_t requests_ = 0;
  std::int64_t last_ms_ = 0;
  double request_ms_ = 0; ///< mean time between two requests
  std::uint64_t random_ = 88172645463325252;
};

} // namespace terrace
