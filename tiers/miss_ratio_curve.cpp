#include "tiers/miss_ratio_curve.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace terrace {

namespace {

constexpr auto all = std::numeric_limits<std::uint64_t>::max();

/// Past the largest distance.
constexpr auto endless = std::uint64_t{1} << 63;

} // namespace

// -- constructors -------------------------------------------------------------

miss_ratio_curve::miss_ratio_curve(const miss_ratio_options& opts)
  : opts_{std::max<std::size_t>(opts.max_samples, 16), opts.window},
    followed_(all),
    counted_(all),
    bytes_(2 * opts_.max_samples),
    until_turn_(opts.window > 0 ? opts.window : all) {
  largest_.reserve(opts_.max_samples + 1);
  samples_.reserve(opts_.max_samples + 1);
}

// -- changes ------------------------------------------------------------------

void miss_ratio_curve::sample(std::uint64_t x, std::uint32_t size_bytes) {
  auto [i, fresh] = samples_.try_emplace(x);
  auto& entry = i->second;
  if (x < counted_) {
    if (!fresh)
      count(entry, size_bytes);
    counted_accesses_ += 0x1p64 / static_cast<double>(counted_);
    bytes_.add(next_position_, size_bytes);
  }
  entry = {next_position_++, size_bytes, window_};
  if (fresh) {
    largest_.push_back(x);
    std::push_heap(largest_.begin(), largest_.end());
    if (largest_.size() > opts_.max_samples)
      lower_threshold();
  }
  if (next_position_ == bytes_.size())
    renumber();
}

void miss_ratio_curve::count(const follow& old, std::uint32_t size_bytes) {
  auto between = bytes_.total() - bytes_.before(old.position + 1);
  auto weight = 0x1p64 / static_cast<double>(counted_);
  auto distance = static_cast<double>(between) * weight + size_bytes;
  if (distance < static_cast<double>(endless))
    reuses_[bucket_of(static_cast<std::uint64_t>(distance))] += weight;
  bytes_.add(old.position, -std::uint64_t{old.size_bytes});
}

void miss_ratio_curve::lower_threshold() {
  std::pop_heap(largest_.begin(), largest_.end());
  followed_ = largest_.back();
  largest_.pop_back();
  auto i = samples_.find(followed_);
  if (followed_ < counted_) {
    bytes_.add(i->second.position, -std::uint64_t{i->second.size_bytes});
    counted_ = followed_;
  }
  samples_.erase(i);
}

void miss_ratio_curve::turn() {
  until_turn_ = opts_.window > 0 ? opts_.window : all;
  ++window_;
  accesses_ /= 2;
  counted_accesses_ /= 2;
  for (auto& x : reuses_)
    x /= 2;
  absl::erase_if(samples_,
                 [&](auto& x) { return window_ - x.second.window > 1; });
  largest_.clear();
  for (auto& x : samples_)
    largest_.push_back(x.first);
  std::make_heap(largest_.begin(), largest_.end());
  counted_ = followed_;
  if (samples_.size() < opts_.max_samples / 2) {
    // As many more as should fill three quarters.
    auto more = 0.75 * static_cast<double>(opts_.max_samples)
                / static_cast<double>(samples_.size() + 1);
    auto raised = static_cast<double>(followed_) * more;
    followed_ = raised < 0x1p63 ? static_cast<std::uint64_t>(raised) : all;
  }
  renumber();
}

void miss_ratio_curve::renumber() {
  struct mention {
    std::uint32_t position;
    bool counts;
    follow* who;
  };
  std::vector<mention> order;
  order.reserve(samples_.size());
  for (auto& [x, entry] : samples_)
    order.push_back({entry.position, x < counted_, &entry});
  std::sort(order.begin(), order.end(),
            [](auto& a, auto& b) { return a.position < b.position; });
  bytes_.clear();
  next_position_ = 0;
  for (auto& x : order) {
    x.who->position = next_position_++;
    if (x.counts)
      bytes_.add(x.who->position, x.who->size_bytes);
  }
}

// -- properties ---------------------------------------------------------------

double
miss_ratio_curve::miss_ratio(std::uint64_t capacity_bytes) const noexcept {
  if (accesses_ == 0 || capacity_bytes == 0)
    return 1;
  auto total = static_cast<double>(accesses_);
  // The adjustment: what is sampled too much or too little is taken for keys
  // that are always in the cache, as only the most popular ones weigh so much.
  auto hits = total - counted_accesses_;
  auto last = capacity_bytes < endless ? bucket_of(capacity_bytes) : buckets;
  for (std::size_t i = 0; i < last; ++i)
    hits += reuses_[i];
  if (last < buckets) {
    auto first = lower_bound(last);
    auto part = static_cast<double>(capacity_bytes - first + 1)
                / static_cast<double>(lower_bound(last + 1) - first);
    hits += reuses_[last] * part;
  }
  return 1 - std::clamp(hits / total, 0.0, 1.0);
}

hit_ratio_gain miss_ratio_curve::gain(std::uint64_t capacity_bytes,
                                      std::uint64_t more_bytes) const noexcept {
  auto more = capacity_bytes + std::min(more_bytes, all - capacity_bytes);
  return {1 - miss_ratio(capacity_bytes), 1 - miss_ratio(more)};
}

double miss_ratio_curve::rate() const noexcept {
  return static_cast<double>(counted_) * 0x1p-64;
}

// -- helpers ------------------------------------------------------------------

std::size_t miss_ratio_curve::bucket_of(std::uint64_t distance) noexcept {
  constexpr std::uint64_t subs = 1u << sub_bits;
  if (distance < subs)
    return distance;
  auto shift = static_cast<unsigned>(std::bit_width(distance)) - 1 - sub_bits;
  return (std::size_t{shift} + 1) * subs + (distance >> shift) % subs;
}

std::uint64_t miss_ratio_curve::lower_bound(std::size_t i) noexcept {
  constexpr std::uint64_t subs = 1u << sub_bits;
  if (i < subs)
    return i;
  return (subs + i % subs) << (i / subs - 1);
}

} // namespace terrace
