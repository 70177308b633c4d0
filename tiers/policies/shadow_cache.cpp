#include "tiers/policies/shadow_cache.hpp"

#include <unordered_map>

namespace terrace {

struct shadow_cache::slot {
  policy_item links; // at the front: the space turns ids into its address
  std::uint32_t size = 0;
  std::uint64_t hash = 0;
  std::int64_t until_ms = 0;
};

class shadow_cache::space final : public policy_space {
public:
  static constexpr std::uint32_t stride = sizeof(slot) / 8;

  explicit space(slot* slots) noexcept : policy_space(slots), slots_(slots) {
    static_assert(sizeof(slot) == 32);
  }

  slot& at(item_id x) const noexcept {
    return slots_[x / stride];
  }

  std::uint64_t hash(item_id x) const noexcept override {
    return at(x).hash;
  }

  std::uint32_t size(item_id x) const noexcept override {
    return at(x).size;
  }

  std::int64_t until_ms(item_id x) const noexcept override {
    return at(x).until_ms;
  }

private:
  slot* slots_;
};

shadow_cache::shadow_cache(std::string_view policy, std::size_t slots)
  : slots_(std::make_unique<slot[]>(slots + 1)),
    space_(std::make_unique<space>(slots_.get())),
    policy_(make_policy(policy, *space_)),
    reports_(policy_->wants_accesses()) {
  free_.reserve(slots);
  for (auto i = static_cast<std::uint32_t>(slots); i > 0; --i)
    free_.push_back(i);
}

shadow_cache::~shadow_cache() = default;

item_id shadow_cache::take_slot(const shadow_request& x) {
  auto id = free_.back() * space::stride;
  free_.pop_back();
  auto& fresh = space_->at(id);
  fresh.links.accesses.store(0, std::memory_order_relaxed);
  fresh.size = x.size;
  fresh.hash = x.hash;
  fresh.until_ms = x.until_ms;
  size_ += x.size;
  ++count_;
  return id;
}

void shadow_cache::drop(item_id x) {
  auto& gone = space_->at(x);
  if (index_.find(gone.hash) == x)
    index_.erase(gone.hash);
  size_ -= gone.size;
  --count_;
  free_.push_back(x / space::stride);
}

bool shadow_cache::request(const shadow_request& x, std::int64_t now_ms) {
  if (free_.empty())
    shrink(size_ - 1, now_ms);
  auto known = index_.find(x.hash);
  if (known != 0) {
    auto& at = space_->at(known);
    if (at.until_ms != 0 && at.until_ms <= now_ms) {
      erase(x.hash);
      known = 0;
    } else if (at.size == x.size && at.until_ms == x.until_ms) {
      at.links.touch();
      if (reports_)
        policy_->accessed(known, now_ms);
      return true;
    }
  }
  auto fresh = take_slot(x);
  index_.put(x.hash, fresh);
  if (known == 0) {
    policy_->inserted(fresh, now_ms);
    return false;
  }
  policy_->replaced(known, fresh, false, now_ms);
  drop(known);
  return true;
}

void shadow_cache::erase(std::uint64_t hash) {
  auto x = index_.find(hash);
  if (x == 0)
    return;
  policy_->erased(x);
  drop(x);
}

void shadow_cache::shrink(std::uint64_t capacity, std::int64_t now_ms,
                          std::vector<std::uint64_t>* evicted) {
  while (size_ > capacity) {
    auto x = policy_->evict(now_ms);
    if (evicted)
      evicted->push_back(space_->hash(x));
    drop(x);
  }
}

std::vector<std::uint32_t>
shadow_cache::ranks(const std::vector<std::uint64_t>& hashes) const {
  std::unordered_map<std::uint64_t, std::uint32_t> known;
  for (auto hash : dump())
    known.emplace(hash, static_cast<std::uint32_t>(known.size()));
  std::vector<std::uint32_t> result;
  result.reserve(hashes.size());
  for (auto hash : hashes) {
    auto at = known.find(hash);
    result.push_back(at != known.end() ? at->second : 0);
  }
  return result;
}

std::size_t shadow_cache::strange_to(const shadow_cache& x) const {
  std::vector<std::uint64_t> hashes;
  index_.collect([&](std::uint64_t hash) { return !x.contains(hash); }, hashes);
  return hashes.size();
}

} // namespace terrace
