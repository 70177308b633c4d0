#include "tools/bench/simulated_cache.hpp"

#include <algorithm>

namespace terrace::bench {

struct simulated_cache::item {
  policy_item links; // at the front: the space turns ids into its address
  std::uint32_t size = 1;
};

/// Items by number of their key, from 1.
class simulated_cache::item_space final : public policy_space {
public:
  explicit item_space(std::vector<item>& xs)
    : policy_space(xs.data()), items_(xs) {
    // nop
  }

  static_assert(sizeof(item) == 16);

  static constexpr std::uint32_t stride = sizeof(item) / 8;

  static item_id id_of(std::uint32_t key) noexcept {
    return (key + 1) * stride;
  }

  static std::uint32_t key_of(item_id x) noexcept {
    return x / stride - 1;
  }

  std::uint64_t hash(item_id x) const noexcept override {
    // The finalizer of MurmurHash3.
    std::uint64_t h = x;
    h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCDu;
    h = (h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53u;
    return h ^ (h >> 33);
  }

  std::uint32_t size(item_id x) const noexcept override {
    return items_[x / stride].size;
  }

  std::int64_t until_ms(item_id) const noexcept override {
    return 0;
  }

private:
  std::vector<item>& items_;
};

simulated_cache::simulated_cache(const trace& x, std::string_view policy,
                                 std::uint64_t capacity)
  : items_(x.keys.size() + 1),
    space_(std::make_unique<item_space>(items_)),
    resident_(x.keys.size()),
    capacity_(capacity) {
  for (std::size_t i = 0; i < x.sizes.size(); ++i)
    items_[i + 1].size = std::max(x.sizes[i], 1u);
  if (policy == "fifo-1" || policy == "fifo-2") {
    chances_ = policy == "fifo-1" ? 1 : 2;
    policy = "fifo";
  }
  policy_ = make_policy(policy, *space_);
  reports_ = policy_->wants_accesses();
}

simulated_cache::~simulated_cache() = default;

bool simulated_cache::request(std::uint32_t key) {
  if (!resident_[key])
    return false;
  auto id = item_space::id_of(key);
  (*space_)[id].touch();
  if (reports_)
    policy_->accessed(id, 0);
  return true;
}

bool simulated_cache::insert(std::uint32_t key) {
  auto bytes = size(key);
  if (bytes > capacity_)
    return false;
  auto id = item_space::id_of(key);
  (*space_)[id].accesses.store(0, std::memory_order_relaxed);
  policy_->inserted(id, 0);
  resident_[key] = true;
  used_ += bytes;
  while (used_ > capacity_)
    evict();
  return true;
}

std::uint32_t simulated_cache::evict() {
  auto victim = policy_->evict(0);
  for (; chances_ > 0; victim = policy_->evict(0)) {
    auto& accesses = (*space_)[victim].accesses;
    auto n = accesses.load(std::memory_order_relaxed);
    if (n == 0)
      break;
    accesses.store(chances_ == 1 ? 0 : n - 1, std::memory_order_relaxed);
    policy_->inserted(victim, 0);
  }
  auto key = item_space::key_of(victim);
  resident_[key] = false;
  used_ -= size(key);
  return key;
}

std::uint32_t simulated_cache::size(std::uint32_t key) const noexcept {
  return items_[key + 1].size;
}

std::uint64_t simulated_cache::hash(std::uint32_t key) const noexcept {
  return space_->hash(item_space::id_of(key));
}

} // namespace terrace::bench
