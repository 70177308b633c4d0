/// Which keys the threads of a comparison ask for.
#pragma once

#include "tools/bench/request_mix.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace terrace::bench {

/// Requests made in advance, as in a `request_batch`, one sequence a thread.
/// All contestants get the same ones.
class request_orders {
public:
  /// Requests of a thread, after which it begins anew: enough of them for the
  /// tail of a skewed key space to go on changing.
  static constexpr std::size_t length = std::size_t{1} << 23;

  /// Draws reads of `keys` keys for `threads` threads, see `zipf`.
  request_orders(std::size_t keys, double skew, std::size_t threads);

  /// Turns a share of the requests into writes, the others into reads.
  void mix(const request_mix& x);

  std::span<const std::uint32_t> of_thread(std::size_t i) const noexcept {
    return orders_[i];
  }

private:
  std::vector<std::vector<std::uint32_t>> orders_;
};

} // namespace terrace::bench
