#include "tiers/policies/auto_policy.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace terrace {

namespace {

/// Siblings on either side that say what an item is like.
constexpr std::size_t reach = 32;

/// Memory for each item while it is handed from one policy to another.
constexpr std::size_t bytes_to_move = 2 * sizeof(item_id)
                                      + 2 * sizeof(std::uint32_t);

/// Guesses for `n` items in the order of the policy `from` what place in the
/// order of `to` each has: the mean place of the sampled items about the same
/// place in `from`. Where one order says nothing about the other, all have the
/// same then, and chance makes none of them valuable.
std::vector<std::uint32_t> siblings_ranks(const shadow_cache& from,
                                          const shadow_cache& to,
                                          std::size_t n) {
  auto known = to.ranks(from.dump());
  if (known.empty())
    return std::vector<std::uint32_t>(n);
  std::vector<std::uint64_t> sums{0};
  for (auto x : known)
    sums.push_back(sums.back() + x);
  std::vector<std::uint32_t> result;
  result.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    auto at = i * known.size() / n;
    auto first = at - std::min(at, reach);
    auto last = std::min(at + reach + 1, known.size());
    result.push_back(
      static_cast<std::uint32_t>((sums[last] - sums[first]) / (last - first)));
  }
  return result;
}

/// The items by their ranks, those of one rank in the order given, and in
/// `sorted` the rank of each. All ranks are below `n`.
std::vector<item_id> sort_by_rank(const std::vector<item_id>& xs,
                                  const std::vector<std::uint32_t>& ranks,
                                  std::size_t n,
                                  std::vector<std::uint32_t>& sorted) {
  std::vector<std::size_t> next(n + 1);
  for (auto rank : ranks)
    ++next[rank + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<item_id> result(xs.size());
  sorted.resize(xs.size());
  for (std::size_t i = 0; i < xs.size(); ++i) {
    auto at = next[ranks[i]]++;
    result[at] = xs[i];
    sorted[at] = ranks[i];
  }
  return result;
}

} // namespace

auto_policy::auto_policy(policy_space& space,
                         std::shared_ptr<shared_trials> trials)
  : policy_base(space), trials_(std::move(trials)) {
  // A shard cannot follow a shadow that has the items of others too.
  if (!trials_->alone())
    run({}, 0);
}

// -- contract -----------------------------------------------------------------

void auto_policy::inserted(item_id x, std::int64_t now_ms) {
  // What is left after evictions is at most one item smaller than the cache:
  // the largest such figure, lately, is the best.
  if (made_room_)
    capacity_ = std::max(size_, capacity_ - capacity_ / 1024 - 1);
  made_room_ = false;
  last_size_ = space_.size(x);
  size_ += last_size_;
  ++count_;
  if (following())
    enter(x);
  else
    engine_->inserted(x, now_ms);
  try_out(x, true, now_ms);
}

void auto_policy::replaced(item_id old, item_id fresh, bool moved,
                           std::int64_t now_ms) {
  size_ += space_.size(fresh);
  size_ -= space_.size(old);
  // A new value for one that has expired was asked for in vain before.
  auto missed = expired(old, now_ms);
  if (following()) {
    inherit(old, fresh, moved);
    items_.replace(space_, old, fresh);
    by_hash_.put(space_.hash(fresh), fresh);
  } else {
    engine_->replaced(old, fresh, moved, now_ms);
  }
  if (!moved)
    try_out(fresh, missed, now_ms);
}

void auto_policy::accessed(item_id x, std::int64_t now_ms) {
  if (following()) {
    items_.unlink(space_, x);
    items_.push_back(space_, x);
  } else {
    engine_->accessed(x, now_ms);
  }
  try_out(x, true, now_ms);
}

void auto_policy::erased(item_id x) {
  trials_->erase(space_.hash(x));
  size_ -= space_.size(x);
  --count_;
  if (following())
    leave(x);
  else
    engine_->erased(x);
}

item_id auto_policy::evict(std::int64_t now_ms) {
  if (capacity_ == 0 && size_ > last_size_) {
    capacity_ = size_ - last_size_;
    trials_->shrink(capacity_, now_ms);
    if (following())
      find_victims();
  }
  item_id x = 0;
  if (!following())
    x = engine_->evict(now_ms);
  else if (x = next_victim(now_ms); x != 0)
    leave(x);
  if (x != 0) {
    size_ -= space_.size(x);
    --count_;
    made_room_ = true;
  }
  return x;
}

std::vector<item_id> auto_policy::release() {
  size_ = 0;
  count_ = 0;
  if (!following())
    return engine_->release();
  std::vector<item_id> result;
  release_to(items_, result);
  by_hash_ = {};
  return result;
}

std::size_t auto_policy::bytes() const noexcept {
  auto all = trials_->use([](policy_trials& x) { return x.bytes(); });
  auto result = all / sharers() + by_hash_.bytes();
  if (engine_)
    result += engine_->bytes();
  if (retired_)
    result += retired_->bytes();
  return result;
}

void auto_policy::describe(std::map<std::string, std::uint64_t>& out) const {
  std::uint64_t requests = 0;
  auto in_use = current();
  for (auto& x : candidates()) {
    requests = std::max(requests, x.requests);
    std::string name{x.name};
    std::replace(name.begin(), name.end(), '-', '_');
    out["policy_" + name + "_hits"] += x.hits / sharers();
    out["policy_in_use_" + name] += x.name == in_use ? 1 : 0;
  }
  out["policy_requests"] += requests / sharers();
  out["policy_switches"] += switches_;
}

std::vector<std::uint64_t> auto_policy::dump() const {
  if (!following())
    return engine_->dump();
  // What the shadow does not have leaves first; it may have what left here.
  std::vector<std::uint64_t> result;
  trials_->use([&](policy_trials& trials) {
    auto& leader = trials.leader();
    for (auto x = items_.front(); x != 0; x = space_[x].next)
      if (!leader.contains(space_.hash(x)))
        result.push_back(space_.hash(x));
    for (auto hash : leader.dump())
      if (by_hash_.find(hash) != 0)
        result.push_back(hash);
  });
  return result;
}

// -- trials -------------------------------------------------------------------

void auto_policy::try_out(item_id x, bool counts, std::int64_t now_ms) {
  auto hash = space_.hash(x);
  if (!trials_->sampled(hash))
    return;
  auto crowded = trials_->request({hash, space_.size(x), space_.until_ms(x)},
                                  counts, capacity_, now_ms, victims_);
  // A queue that is never empty would keep what is done for ever.
  if (!following())
    victims_.clear();
  else if (victims_.size() > 4 * items_.count() + 64)
    find_victims();
  if (crowded) {
    if (following())
      stop_following(now_ms);
    trials_->thin_out();
  }
  if (capacity_ != 0)
    trials_->decide();
  if (changes_ != trials_->changes())
    change(now_ms);
}

void auto_policy::change(std::int64_t now_ms) {
  auto changes = trials_->changes();
  if (following()) {
    ++switches_;
    find_victims();
  } else if (auto name = leader_name(); name != engine_name_) {
    auto next = retired_ && retired_->name() == name
                  ? std::move(retired_)
                  : make_policy(name, space_);
    if (!room_for(*next)) {
      retired_ = std::move(next);
      return; // asked again with the next request
    }
    ++switches_;
    auto order = engine_->release();
    retired_ = std::exchange(engine_, std::move(next));
    run(order, now_ms);
  } else {
    space_.make_room(0);
  }
  changes_ = changes;
}

/// What the policy in use has is not counted in: it is kept for a while.
bool auto_policy::room_for(const eviction_policy& next) const noexcept {
  auto all = next.bytes_for(count_) + count_ * bytes_to_move;
  return space_.make_room(all - std::min(all, next.bytes()));
}

void auto_policy::run(const std::vector<item_id>& xs, std::int64_t now_ms) {
  trials_->use([&](policy_trials& trials) {
    auto& model = trials.leader();
    auto before = std::exchange(engine_name_, model.name());
    // The leader may have changed since.
    if (!engine_ || engine_->name() != engine_name_)
      engine_ = make_policy(engine_name_, space_);
    if (model.count() == 0)
      return engine_->adopt(xs, now_ms);
    auto ranks = before.empty()
                   ? model.ranks(hashes(xs))
                   : siblings_ranks(trials.shadow(before), model, xs.size());
    policy_lesson lesson{model.policy(), {}};
    auto order = sort_by_rank(xs, ranks, model.count(), lesson.ranks);
    engine_->adopt(order, now_ms, &lesson);
  });
}

// -- following a shadow -------------------------------------------------------

void auto_policy::enter(item_id x) {
  items_.push_back(space_, x);
  by_hash_.put(space_.hash(x), x);
}

void auto_policy::leave(item_id x) {
  items_.unlink(space_, x);
  auto hash = space_.hash(x);
  if (by_hash_.find(hash) == x)
    by_hash_.erase(hash);
}

void auto_policy::find_victims() {
  victims_.clear();
  first_victim_ = 0;
  trials_->use([&](policy_trials& trials) {
    for (auto x = items_.front(); x != 0; x = space_[x].next)
      if (!trials.leader().contains(space_.hash(x)))
        victims_.push_back(space_.hash(x));
  });
}

item_id auto_policy::next_victim(std::int64_t now_ms) {
  return trials_->use([&](policy_trials& trials) {
    auto& leader = trials.leader();
    // Ends: each round takes a victim, or one item out of the shadow.
    while (!items_.empty()) {
      if (first_victim_ == victims_.size()) {
        victims_.clear();
        first_victim_ = 0;
        if (leader.count() == 0)
          break;
        leader.shrink(leader.size() - 1, now_ms, &victims_);
      }
      auto hash = victims_[first_victim_++];
      auto x = by_hash_.find(hash);
      if (x != 0 && !leader.contains(hash))
        return x;
    }
    return items_.front();
  });
}

void auto_policy::stop_following(std::int64_t now_ms) {
  std::vector<item_id> order;
  release_to(items_, order);
  by_hash_ = {};
  victims_.clear();
  first_victim_ = 0;
  if (capacity_ != 0)
    return run(order, now_ms);
  run({}, now_ms);
  for (auto x : order) // nothing was evicted so far, none stood a test
    engine_->inserted(x, now_ms);
}

} // namespace terrace
