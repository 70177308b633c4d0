/// Numbers in a row with quick sums of the first of them.
///
/// Source: Fenwick, "A New Data Structure for Cumulative Frequency Tables",
/// Software: Practice and Experience 24, 1994.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace terrace {

/// All zero at first. `add` and `before` take O(log n).
class prefix_sums {
public:
  explicit prefix_sums(std::size_t n) : tree_(n + 1) {
    // nop
  }

  std::size_t size() const noexcept {
    return tree_.size() - 1;
  }

  std::uint64_t total() const noexcept {
    return total_;
  }

  /// Adds to number `i`; modulo 2^64, so that it subtracts as well.
  void add(std::size_t i, std::uint64_t x) noexcept {
    total_ += x;
    for (++i; i < tree_.size(); i += i & -i)
      tree_[i] += x;
  }

  /// Sum of the first `n` numbers.
  std::uint64_t before(std::size_t n) const noexcept {
    std::uint64_t result = 0;
    for (; n > 0; n -= n & -n)
      result += tree_[n];
    return result;
  }

  void clear() noexcept {
    tree_.assign(tree_.size(), 0);
    total_ = 0;
  }

private:
  std::vector<std::uint64_t> tree_;
  std::uint64_t total_ = 0;
};

} // namespace terrace
