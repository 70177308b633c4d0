#include "tiers/timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace terrace {

namespace {

constexpr std::uint64_t last_tick = timer_wheel::horizon_ms
                                    / timer_wheel::resolution_ms;

/// The tick that has begun at `ms`.
std::uint64_t tick_before(std::int64_t ms) noexcept {
  if (ms <= 0)
    return 0;
  auto result = static_cast<std::uint64_t>(ms / timer_wheel::resolution_ms);
  return std::min(result, last_tick);
}

/// The first tick that does not begin before `ms`, up to the horizon.
std::uint64_t tick_after(std::int64_t ms) noexcept {
  if (ms <= 0)
    return 0;
  return static_cast<std::uint64_t>((ms - 1) / timer_wheel::resolution_ms) + 1;
}

} // namespace

// -- changes ------------------------------------------------------------------

timer_id timer_wheel::schedule(item_id x, std::int64_t until_ms) {
  if (until_ms == 0 || until_ms > horizon_ms)
    return 0;
  auto t = allocate();
  if (t == 0)
    return 0;
  auto at = tick_after(until_ms);
  auto& fresh = get(t);
  fresh.item = x;
  fresh.tick_low = static_cast<std::uint32_t>(at);
  fresh.tick_mid = at >> 32 & 7;
  fresh.tick_high = at >> 35 & 7;
  place(t);
  return t;
}

void timer_wheel::cancel(timer_id t) noexcept {
  if (t == 0)
    return;
  unlink(t);
  release(t);
}

void timer_wheel::moved(timer_id t, item_id fresh) noexcept {
  if (t != 0)
    get(t).item = fresh;
}

item_id timer_wheel::take_due(std::int64_t now_ms, std::size_t& budget) {
  auto now = tick_before(now_ms);
  if (size_ == 0) {
    now_ = now;
    return 0;
  }
  if (now < now_)
    turn_back(now);
  for (;;) {
    while (get(undecided).next != undecided) {
      if (budget == 0)
        return 0;
      --budget;
      timer_id t = get(undecided).next;
      unlink(t);
      if (get(t).at() <= now) {
        auto result = get(t).item;
        release(t);
        return result;
      }
      place(t);
    }
    auto head = first_bucket();
    auto start = head != 0 ? start_of(head) : now + 1;
    if (start > now) {
      now_ = now;
      return 0;
    }
    now_ = start;
    splice(head, undecided);
  }
}

// -- lists --------------------------------------------------------------------

void timer_wheel::push_back(timer_id head, timer_id t) noexcept {
  auto& to = get(head);
  auto& x = get(t);
  x.prev = to.prev;
  x.next = head;
  get(to.prev).next = t;
  to.prev = t;
  mark(head, true);
}

void timer_wheel::unlink(timer_id t) noexcept {
  auto& x = get(t);
  get(x.prev).next = x.next;
  get(x.next).prev = x.prev;
  // Alone with its head.
  if (x.prev == x.next)
    mark(x.prev, false);
}

void timer_wheel::splice(timer_id from, timer_id to) noexcept {
  auto& source = get(from);
  auto& target = get(to);
  get(source.next).prev = target.prev;
  get(target.prev).next = source.next;
  get(source.prev).next = to;
  target.prev = source.prev;
  source.prev = source.next = from;
  mark(from, false);
  mark(to, true);
}

void timer_wheel::mark(timer_id head, bool occupied) noexcept {
  if (head == undecided)
    return;
  auto bit = std::uint64_t{1} << (head - 1) % buckets;
  auto& bits = occupied_[(head - 1) / buckets];
  bits = occupied ? bits | bit : bits & ~bit;
}

// -- timers -------------------------------------------------------------------

timer_id timer_wheel::allocate() {
  if (size_ == max_timers)
    return 0;
  if (portions_.empty()) {
    portions_.push_back(std::make_unique<timer[]>(portion_size));
    for (timer_id head = 0; head <= last_head; ++head)
      get(head).prev = get(head).next = head;
    fresh_ = last_head + 1;
  }
  auto result = free_;
  if (result != 0) {
    free_ = get(result).next;
  } else {
    if (fresh_ / portion_size == portions_.size())
      portions_.push_back(std::make_unique<timer[]>(portion_size));
    result = fresh_++;
  }
  ++size_;
  return result;
}

void timer_wheel::release(timer_id t) noexcept {
  get(t).item = 0;
  get(t).next = free_;
  free_ = t;
  if (--size_ > 0 || portions_.size() == 1)
    return;
  portions_.resize(1);
  free_ = 0;
  fresh_ = last_head + 1;
}

void timer_wheel::place(timer_id t) noexcept {
  auto at = get(t).at();
  if (at <= now_)
    return push_back(undecided, t);
  auto top = static_cast<unsigned>(std::bit_width(at ^ now_)) - 1;
  auto level = top / digit_bits;
  auto digit = static_cast<unsigned>(at >> level * digit_bits) % buckets;
  push_back(head_of(level, digit), t);
}

timer_id timer_wheel::first_bucket() const noexcept {
  // All of a level is due before anything of a higher one.
  for (unsigned level = 0; level < levels; ++level)
    if (auto bits = occupied_[level])
      return head_of(level, static_cast<unsigned>(std::countr_zero(bits)));
  return 0;
}

timer_wheel::tick timer_wheel::start_of(timer_id head) const noexcept {
  auto shift = (head - 1) / buckets * digit_bits;
  auto digit = tick{(head - 1) % buckets};
  return (now_ >> shift >> digit_bits << digit_bits | digit) << shift;
}

void timer_wheel::turn_back(tick now) noexcept {
  // On the level of the highest digit that changes, and above, everything stays
  // where it is. All below differs from `now` in that digit first, which is the
  // one that the wheel's tick had there so far.
  auto top = static_cast<unsigned>(std::bit_width(now ^ now_)) - 1;
  auto level = top / digit_bits;
  auto digit = static_cast<unsigned>(now_ >> level * digit_bits) % buckets;
  for (unsigned lower = 0; lower < level; ++lower)
    while (auto bits = occupied_[lower])
      splice(head_of(lower, static_cast<unsigned>(std::countr_zero(bits))),
             head_of(level, digit));
  now_ = now;
}

} // namespace terrace
