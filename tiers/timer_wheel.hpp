/// Who expires next: a hierarchical timing wheel over the entries of L1 that
/// have an expiry.
///
/// Source: Varghese, Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987.
/// Time is cut into ticks of 16 ms. A timer lies on the level of the highest
/// digit (of 6 bits) in which its tick differs from the wheel's, in the bucket
/// of that digit; when the wheel reaches the bucket, its timers fall to lower
/// levels, six times at most. A bitmap per level finds the next bucket that is
/// not empty, so a jump forward costs what its timers cost, not its ticks. A
/// jump backward splices whole buckets one level up. Both leave every timer on
/// time.
///
/// A timer takes 16 bytes here and its id, 4 bytes, at the owner; entries
/// without expiry take nothing. Memory comes in portions of 16 KiB and goes
/// back when the last timer has gone, not before.
///
/// Limits: timers are reported late by up to a tick and by the time between two
/// calls of `advance`; order within a call is roughly, not exactly, that of
/// time. Single-owner, no clock.
#pragma once

#include "tiers/policies/policy.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace terrace {

/// Names a timer at its wheel; 0 is no timer.
using timer_id = std::uint32_t;

class timer_wheel {
public:
  // -- constants --------------------------------------------------------------

  /// Nothing is reported before its time, and at most this much after it.
  static constexpr std::int64_t resolution_ms = 16;

  /// What is due later, past the year 2109, is taken for never due.
  static constexpr std::int64_t horizon_ms = ((std::int64_t{1} << 38) - 1)
                                             * resolution_ms;

  /// Timers at a time, more than there are entries in 32 GiB.
  static constexpr std::uint32_t max_timers = (1u << 29) - (1u << 10);

  // -- changes ----------------------------------------------------------------

  /// Has `x` reported at `until_ms` (Unix milliseconds) or soon after; at the
  /// next `advance` if that is over. Returns 0, and will not report, if
  /// `until_ms` is 0 or past the horizon, or if `max_timers` are out.
  timer_id schedule(item_id x, std::int64_t until_ms);

  /// The caller guarantees, here and below, that `t` came from `schedule` and
  /// was neither cancelled nor reported since. 0 is ignored.
  void cancel(timer_id t) noexcept;

  /// The timer's item has a new name, the time stays.
  void moved(timer_id t, item_id fresh) noexcept;

  /// Calls `f(item_id)` for every item whose time is over and returns what is
  /// left of `budget`. To report a timer takes 1 of it, as does moving one to a
  /// lower level. If something is left, all that was due has been reported;
  /// otherwise the next call goes on. The timer is gone when `f` runs, which
  /// may schedule and cancel, but not advance.
  template <class F>
  std::size_t advance(std::int64_t now_ms, std::size_t budget, F&& f) {
    while (auto x = take_due(now_ms, budget))
      f(x);
    return budget;
  }

  // -- properties -------------------------------------------------------------

  /// Timers that wait to be reported.
  std::size_t size() const noexcept {
    return size_;
  }

  /// Memory taken.
  std::size_t bytes() const noexcept {
    return portions_.size() * portion_size * sizeof(timer);
  }

private:
  // -- types ------------------------------------------------------------------

  using tick = std::uint64_t;

  /// Lists are circular, with a head. The tick, of 38 bits, is in three parts,
  /// for the sake of 16 bytes.
  struct timer {
    item_id item = 0; ///< 0: a head, or free
    std::uint32_t tick_low = 0;
    std::uint32_t prev : 29 = 0;
    std::uint32_t tick_mid : 3 = 0;
    std::uint32_t next : 29 = 0;
    std::uint32_t tick_high : 3 = 0;

    tick at() const noexcept {
      return tick_low | tick{tick_mid} << 32 | tick{tick_high} << 35;
    }
  };

  static_assert(sizeof(timer) == 16);

  // -- constants --------------------------------------------------------------

  static constexpr unsigned digit_bits = 6;
  static constexpr unsigned buckets = 1u << digit_bits; ///< per level
  static constexpr unsigned levels = 7;
  static constexpr std::uint32_t portion_size = 1024;

  /// Head of the timers whose place is to be decided: due, or to fall.
  static constexpr timer_id undecided = 0;

  /// Ids up to here are heads.
  static constexpr timer_id last_head = levels * buckets;

  // -- lists ------------------------------------------------------------------

  timer& get(timer_id t) noexcept {
    return portions_[t / portion_size][t % portion_size];
  }

  static timer_id head_of(unsigned level, unsigned digit) noexcept {
    return 1 + level * buckets + digit;
  }

  void push_back(timer_id head, timer_id t) noexcept;

  void unlink(timer_id t) noexcept;

  /// Appends all of `from`, which is a bucket and not empty, to `to`.
  void splice(timer_id from, timer_id to) noexcept;

  void mark(timer_id head, bool occupied) noexcept;

  // -- timers -----------------------------------------------------------------

  timer_id allocate();

  void release(timer_id t) noexcept;

  /// Removes and returns an item that is due. Returns 0 if there is none, or
  /// nothing is left of the budget.
  item_id take_due(std::int64_t now_ms, std::size_t& budget);

  /// Puts a timer where its tick belongs.
  void place(timer_id t) noexcept;

  /// Head of the first bucket that is not empty, or 0.
  timer_id first_bucket() const noexcept;

  /// First tick of a bucket.
  tick start_of(timer_id head) const noexcept;

  void turn_back(tick now) noexcept;

  // -- members ----------------------------------------------------------------

  std::vector<std::unique_ptr<timer[]>> portions_;
  std::array<std::uint64_t, levels> occupied_{}; ///< a bit per bucket
  tick now_ = 0;       ///< buckets that start later have not been touched
  timer_id free_ = 0;  ///< first of the released, linked by `next`
  timer_id fresh_ = 0; ///< first that was never used
  std::size_t size_ = 0;
};

} // namespace terrace
