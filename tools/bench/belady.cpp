#include "tools/bench/simulation.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace terrace::bench {

namespace {

/// Set of positions that knows its greatest: bits, and above every 64 of them
/// one that says whether any is set.
class position_set {
public:
  explicit position_set(std::size_t n) {
    do {
      n = (n + 63) / 64;
      levels_.emplace_back(n);
    } while (n > 1);
  }

  bool contains(std::size_t i) const noexcept {
    return (levels_[0][i / 64] >> (i % 64)) & 1;
  }

  void insert(std::size_t i) noexcept {
    for (auto& level : levels_) {
      level[i / 64] |= std::uint64_t{1} << (i % 64);
      i /= 64;
    }
  }

  void erase(std::size_t i) noexcept {
    for (auto& level : levels_) {
      auto& word = level[i / 64];
      word &= ~(std::uint64_t{1} << (i % 64));
      if (word != 0)
        return;
      i /= 64;
    }
  }

  /// Must not be empty.
  std::size_t greatest() const noexcept {
    std::size_t i = 0;
    for (auto level = levels_.rbegin(); level != levels_.rend(); ++level)
      i = i * 64 + static_cast<std::size_t>(std::bit_width((*level)[i]) - 1);
    return i;
  }

private:
  std::vector<std::vector<std::uint64_t>> levels_;
};

} // namespace

std::uint64_t least_misses(const trace& x, std::uint64_t capacity) {
  constexpr auto never = std::numeric_limits<std::uint32_t>::max();
  auto n = x.requests.size();
  std::vector<std::uint32_t> next(n);
  std::vector<std::uint32_t> last(x.keys.size(), never);
  for (auto i = n; i-- > 0;)
    next[i] = std::exchange(last[x.requests[i]], static_cast<std::uint32_t>(i));
  auto size = [&](std::size_t i) -> std::uint64_t {
    return x.sizes.empty() ? 1 : std::max(x.sizes[x.requests[i]], 1u);
  };
  // What is resident and asked for again, by the position of that request.
  position_set resident{n};
  std::vector<std::uint64_t> dead; // sizes of the residents never asked for
  std::uint64_t used = 0;
  std::uint64_t misses = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (resident.contains(i)) {
      resident.erase(i);
    } else {
      ++misses;
      if (size(i) > capacity)
        continue;
      for (used += size(i); used > capacity;) {
        if (!dead.empty()) {
          used -= dead.back();
          dead.pop_back();
          continue;
        }
        auto latest = resident.greatest();
        resident.erase(latest);
        used -= size(latest);
      }
    }
    if (next[i] != never) {
      resident.insert(next[i]);
    } else {
      dead.push_back(size(i));
    }
  }
  return misses;
}

} // namespace terrace::bench
