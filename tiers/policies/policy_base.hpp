/// What the policies have in common.
#pragma once

#include "tiers/policies/item_list.hpp"

#include <algorithm>
#include <bit>

namespace terrace {

class policy_base : public eviction_policy {
public:
  explicit policy_base(policy_space& space) noexcept : space_(space) {
    // nop
  }

  bool wants_accesses() const noexcept override {
    return false;
  }

  void accessed(item_id, std::int64_t) override {
    // nop
  }

  /// The uses that the item itself counts.
  std::uint16_t hotness(item_id x) const noexcept override {
    return accesses(x);
  }

protected:
  bool expired(item_id x, std::int64_t now_ms) const noexcept {
    auto until = space_.until_ms(x);
    return until != 0 && until <= now_ms;
  }

  /// Hotness of an item of the queue number `queue`, where later queues are for
  /// better items.
  std::uint16_t hotness_in(unsigned queue, item_id x) const noexcept {
    return static_cast<std::uint16_t>(queue * (policy_item::max_accesses + 1)
                                      + accesses(x));
  }

  /// Hotness by a logarithm to base 2 of what an item is worth.
  static std::uint16_t hotness_of(double worth) noexcept {
    return static_cast<std::uint16_t>(
      std::clamp((worth + 64) * 256, 0.0, 65535.0));
  }

  std::uint8_t accesses(item_id x) const noexcept {
    return space_[x].accesses.load(std::memory_order_relaxed);
  }

  void accesses(item_id x, std::uint8_t n) const noexcept {
    space_[x].accesses.store(n, std::memory_order_relaxed);
  }

  /// Everything but the links. A write is an access.
  void inherit(item_id old, item_id fresh, bool moved) const noexcept {
    auto& from = space_[old];
    auto& to = space_[fresh];
    to.mark = from.mark;
    to.queue = from.queue;
    accesses(fresh, accesses(old));
    if (!moved)
      to.touch();
  }

  /// Of items adopted in this order, the position from which on `share` of
  /// their size is left.
  std::size_t upper_part(const std::vector<item_id>& xs, double share) const {
    std::uint64_t all = 0;
    for (auto x : xs)
      all += space_.size(x);
    auto left = static_cast<double>(all) * share;
    auto i = xs.size();
    while (i > 0 && left >= space_.size(xs[i - 1]))
      left -= space_.size(xs[--i]);
    return i;
  }

  /// A guess how often the item at position `i` of `n` adopted ones was used:
  /// half of the items once, half of the rest twice, and so on.
  static unsigned uses_by_rank(std::size_t i, std::size_t n) noexcept {
    return static_cast<unsigned>(std::bit_width(n / (n - i)));
  }

  void append(const item_list& xs, std::vector<item_id>& out) const {
    for (auto x = xs.front(); x != 0; x = space_[x].next)
      out.push_back(x);
  }

  /// Appends the items of `xs` to `out` and empties the list.
  void release_to(item_list& xs, std::vector<item_id>& out) const {
    auto first = out.size();
    append(xs, out);
    for (auto i = first; i < out.size(); ++i)
      space_[out[i]].prev = space_[out[i]].next = 0;
    xs = {};
  }

  std::vector<std::uint64_t> hashes(const std::vector<item_id>& xs) const {
    std::vector<std::uint64_t> result;
    result.reserve(xs.size());
    for (auto x : xs)
      result.push_back(space_.hash(x));
    return result;
  }

  policy_space& space_;
};

} // namespace terrace
