#include "tiers/policies/shared_trials.hpp"

#include <algorithm>

namespace terrace {

namespace {

/// A shard's capacity counts for so little of the whole at a time.
constexpr std::uint64_t smoothing = 16;

} // namespace

bool shared_trials::request(const shadow_request& x, bool counts,
                            std::uint64_t capacity, std::int64_t now_ms,
                            std::vector<std::uint64_t>& evicted) {
  std::unique_lock lock{mutex_, std::try_to_lock};
  if (!lock)
    return false;
  trials_.request(x, counts, whole(capacity), now_ms, evicted);
  return trials_.crowded();
}

void shared_trials::thin_out() {
  std::lock_guard lock{mutex_};
  if (trials_.crowded())
    trials_.thin_out();
  ranks_.store(trials_.ranks(), std::memory_order_relaxed);
}

void shared_trials::decide() {
  std::unique_lock lock{mutex_, std::try_to_lock};
  if (lock && trials_.decide(alone()))
    changes_.fetch_add(1, std::memory_order_relaxed);
}

void shared_trials::erase(std::uint64_t hash) {
  if (!sampled(hash))
    return;
  std::unique_lock lock{mutex_, std::try_to_lock};
  if (lock)
    trials_.erase(hash);
}

void shared_trials::shrink(std::uint64_t capacity, std::int64_t now_ms) {
  std::lock_guard lock{mutex_};
  trials_.shrink(whole(capacity), now_ms);
}

std::uint64_t shared_trials::whole(std::uint64_t capacity) noexcept {
  if (alone())
    return capacity;
  auto all = capacity * shards_;
  if (capacity_ == 0)
    capacity_ = all;
  else if (all != 0)
    capacity_ = (capacity_ * (smoothing - 1) + all) / smoothing;
  return capacity_;
}

} // namespace terrace
