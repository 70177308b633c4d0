/// Hybrid: uses count for less the longer ago they were; LRU and LFU are the
/// two ends of it.
///
/// Source: Lee, Choi, Kim, Noh, Min, Cho, Kim, "LRFU: a spectrum of policies
/// that subsumes the LRU and LFU policies", IEEE ToC 50 (12), 2001. An item's
/// worth is the sum of all its uses, each of which is halved per half-life; the
/// item of least worth leaves. As all fade alike, their order only changes by
/// use, and a heap keeps it. Time passes by uses, and the half-life is a number
/// of cachefuls of them. Evicted items are remembered with their worth for a
/// while (not in the paper), or newcomers could never gather any. Weaknesses: a
/// use costs the logarithm of the number of items, and the half-life is the
/// same for all requests, however they change.
#pragma once

#include "tiers/page_vector.hpp"
#include "tiers/policies/policy_base.hpp"

#include <bit>

namespace terrace {

class hybrid_policy final : public policy_base {
public:
  using policy_base::policy_base;

  std::string_view name() const noexcept override {
    return "hybrid";
  }

  bool wants_accesses() const noexcept override {
    return true;
  }

  double price() const noexcept override {
    return 0.03;
  }

  void inserted(item_id x, std::int64_t now_ms) override;

  void replaced(item_id old, item_id fresh, bool moved,
                std::int64_t now_ms) override;

  void accessed(item_id x, std::int64_t now_ms) override;

  void erased(item_id x) override;

  item_id evict(std::int64_t now_ms) override;

  /// Its worth now.
  std::uint16_t hotness(item_id x) const noexcept override {
    return hotness_of(heap_[space_[x].prev].worth - now_);
  }

  void adopt(const std::vector<item_id>& xs, std::int64_t now_ms,
             const policy_lesson* lesson) override;

  std::vector<item_id> release() override;

  std::size_t bytes() const noexcept override {
    return heap_.capacity() * sizeof(place) + ghosts_.size() * sizeof(ghost);
  }

  std::size_t bytes_for(std::size_t n) const noexcept override {
    return n * sizeof(place) + std::bit_ceil(n) * sizeof(ghost);
  }

  /// By worth, the least first.
  std::vector<std::uint64_t> dump() const override;

private:
  struct place {
    double
      worth; ///< binary logarithm, as if no time had passed since the start
    item_id item;

    bool operator<(const place& x) const noexcept {
      return worth < x.worth || (worth == x.worth && item < x.item);
    }
  };

  struct ghost {
    std::uint32_t print = 0;
    float worth = 0; ///< as in `place`
  };

  void put(std::size_t i, place x) noexcept;

  void sift_up(std::size_t i, place x) noexcept;

  void sift_down(std::size_t i, place x) noexcept;

  void take(std::size_t i) noexcept;

  /// Another use at `now_` of what was worth `worth`.
  double use(double worth) const noexcept;

  void pass_time() noexcept;

  void remember(place x);

  double recall(std::uint64_t hash) noexcept;

  std::vector<item_id> order() const;

  page_vector<place> heap_;   ///< four children each; `prev` of an item is its
                              ///< place
  double now_ = 0;            ///< in half-lives
  page_vector<ghost> ghosts_; ///< by hash; a power of two
};

} // namespace terrace
