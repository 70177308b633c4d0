#include "tiers/policies/adaptive_policy.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace terrace {

namespace {

constexpr std::size_t sample_size = 32;

constexpr double recency_weight = 1;
constexpr double frequency_weight = 1;
constexpr double size_weight = -0.5;
constexpr double regularity_weight = 1;
constexpr double lifetime_weight = 1;

/// A steady interval's jitter is at most one part in this many.
constexpr std::uint32_t steadiness = 4;

/// Room for one record more in so many is made at once.
constexpr std::size_t growth = 8;

/// Share of a new value in the mean time between requests.
constexpr double rate_share = 1.0 / 1024;

} // namespace

double adaptive_policy::score(const record& x,
                              std::int64_t now_ms) const noexcept {
  auto n = static_cast<double>(records_.size());
  auto age = requests_ - x.last;
  auto result = -recency_weight * std::log2(1 + age / n);
  auto uses = sketch_.frequency(space_.hash(x.item));
  result += frequency_weight * std::log2(1.0 + uses);
  auto mean_size = static_cast<double>(size_) / n;
  result += size_weight * std::log2(space_.size(x.item) / mean_size);
  if (x.interval != 0 && x.jitter <= x.interval / steadiness) {
    auto overdue = age > x.interval + 2 * x.jitter + 1;
    result += overdue ? -regularity_weight : regularity_weight;
  }
  auto until = space_.until_ms(x.item);
  if (until != 0) {
    auto turnover_ms = std::max(n * request_ms_, 1.0);
    auto left = static_cast<double>(until - now_ms) / turnover_ms;
    result += lifetime_weight * std::log2(std::clamp(left, 1e-9, 1.0));
  }
  return result;
}

void adaptive_policy::tick(std::int64_t now_ms) noexcept {
  ++requests_;
  if (last_ms_ != 0) {
    auto share = requests_ < 1 / rate_share ? 1.0 / requests_ : rate_share;
    request_ms_ += share
                   * (static_cast<double>(now_ms - last_ms_) - request_ms_);
  }
  last_ms_ = now_ms;
}

void adaptive_policy::inserted(item_id x, std::int64_t now_ms) {
  tick(now_ms);
  sketch_.reserve(records_.size() + 1);
  sketch_.increment(space_.hash(x));
  space_[x].prev = static_cast<std::uint32_t>(records_.size());
  if (records_.size() == records_.capacity())
    records_.reserve(records_.size() + records_.size() / growth + 16);
  records_.push_back({x, requests_});
  size_ += space_.size(x);
}

void adaptive_policy::replaced(item_id old, item_id fresh, bool moved,
                               std::int64_t now_ms) {
  inherit(old, fresh, moved);
  auto i = space_[fresh].prev = space_[old].prev;
  records_[i].item = fresh;
  size_ += space_.size(fresh);
  size_ -= space_.size(old);
  if (!moved)
    accessed(fresh, now_ms);
}

void adaptive_policy::accessed(item_id x, std::int64_t now_ms) {
  tick(now_ms);
  sketch_.increment(space_.hash(x));
  auto& to = records_[space_[x].prev];
  auto interval = requests_ - std::exchange(to.last, requests_);
  if (to.interval == 0) {
    to.interval = to.jitter = interval;
    return;
  }
  auto difference = interval > to.interval ? interval - to.interval
                                           : to.interval - interval;
  to.jitter = to.jitter - to.jitter / 4 + difference / 4;
  to.interval = std::max(to.interval - to.interval / 4 + interval / 4, 1u);
}

void adaptive_policy::take(std::size_t i) noexcept {
  size_ -= space_.size(records_[i].item);
  records_[i] = records_.back();
  space_[records_[i].item].prev = static_cast<std::uint32_t>(i);
  records_.pop_back();
}

void adaptive_policy::erased(item_id x) {
  take(space_[x].prev);
}

std::size_t adaptive_policy::draw(std::span<std::size_t> out) noexcept {
  auto n = std::min(out.size(), records_.size());
  for (std::size_t k = 0; k < n; ++k) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    out[k] = records_.size() <= out.size() ? k : random_ % records_.size();
    __builtin_prefetch(&records_[out[k]]);
  }
  // They lie all over the memory: it is asked for all of them at once.
  for (auto i : out.first(n))
    __builtin_prefetch(&space_[records_[i].item]);
  for (auto i : out.first(n))
    sketch_.prefetch(space_.hash(records_[i].item));
  return n;
}

item_id adaptive_policy::evict(std::int64_t now_ms) {
  if (records_.empty())
    return 0;
  std::array<std::size_t, sample_size> drawn;
  auto sample = std::span{drawn}.first(draw(drawn));
  auto least = sample.front();
  auto least_score = std::numeric_limits<double>::max();
  for (auto i : sample) {
    if (expired(records_[i].item, now_ms)) {
      least = i;
      break;
    }
    if (auto x = score(records_[i], now_ms); x < least_score) {
      least = i;
      least_score = x;
    }
  }
  auto x = records_[least].item;
  take(least);
  return x;
}

std::vector<item_id> adaptive_policy::order(std::int64_t now_ms) const {
  std::vector<std::pair<double, item_id>> sorted;
  sorted.reserve(records_.size());
  for (auto& x : records_)
    sorted.emplace_back(score(x, now_ms), x.item);
  std::sort(sorted.begin(), sorted.end());
  std::vector<item_id> result;
  result.reserve(sorted.size());
  for (auto& x : sorted)
    result.push_back(x.second);
  return result;
}

void adaptive_policy::learn(const std::vector<item_id>& xs,
                            const policy_lesson& lesson) {
  auto& model = static_cast<const adaptive_policy&>(lesson.model);
  auto known = model.order(model.last_ms_);
  auto scale = static_cast<double>(xs.size())
               / static_cast<double>(known.size());
  auto scaled = [scale](std::uint32_t n) {
    return static_cast<std::uint32_t>(n * scale);
  };
  sketch_.reserve(xs.size());
  for (std::size_t i = 0; i < xs.size(); ++i) {
    auto x = xs[i];
    auto twin = known[lesson.ranks[i]];
    auto& from = model.records_[model.space_[twin].prev];
    auto uses = model.sketch_.frequency(model.space_.hash(twin));
    for (; uses > 0; --uses)
      sketch_.increment(space_.hash(x));
    space_[x].prev = static_cast<std::uint32_t>(i);
    records_.push_back({x, requests_ - scaled(model.requests_ - from.last),
                        scaled(from.interval), scaled(from.jitter)});
    size_ += space_.size(x);
  }
}

void adaptive_policy::adopt(const std::vector<item_id>& xs, std::int64_t now_ms,
                            const policy_lesson* lesson) {
  records_.reserve(xs.size()); // growing would take the memory twice
  if (lesson) {
    learn(xs, *lesson);
    return;
  }
  for (std::size_t i = 0; i < xs.size(); ++i) {
    inserted(xs[i], now_ms);
    for (auto n = uses_by_rank(i, xs.size()); n > 1; --n)
      sketch_.increment(space_.hash(xs[i]));
  }
}

std::vector<item_id> adaptive_policy::release() {
  auto result = order(last_ms_);
  for (auto x : result)
    space_[x].prev = 0;
  records_ = {}; // its memory too
  size_ = 0;
  return result;
}

std::vector<std::uint64_t> adaptive_policy::dump() const {
  return hashes(order(last_ms_));
}

} // namespace terrace
