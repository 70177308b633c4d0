#include "tools/bench/simulation.hpp"

#include "tiers/policies/auto_policy.hpp"

#include <chrono>

namespace terrace::bench {

namespace {

struct key_item {
  policy_item links; // at the front: the space turns ids into its address
  std::uint32_t size = 1;
};

static_assert(sizeof(key_item) == 16);

/// Items by number of their key, from 1.
class key_space final : public policy_space {
public:
  explicit key_space(std::vector<key_item>& xs)
    : policy_space(xs.data()), items_(xs) {
    // nop
  }

  static constexpr std::uint32_t stride = sizeof(key_item) / 8;

  static item_id id_of(std::uint32_t key) noexcept {
    return (key + 1) * stride;
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
  std::vector<key_item>& items_;
};

} // namespace

simulation_result simulate(const trace& x, std::string_view policy,
                           std::uint64_t capacity) {
  std::vector<key_item> items(x.keys.size() + 1);
  for (std::size_t i = 0; i < x.sizes.size(); ++i)
    items[i + 1].size = std::max(x.sizes[i], 1u);
  key_space space{items};
  std::vector<bool> resident(items.size());
  auto engine = make_policy(policy, space);
  auto reports = engine->wants_accesses();
  std::uint64_t used = 0;
  simulation_result result;
  auto started = std::chrono::steady_clock::now();
  for (auto key : x.requests) {
    auto id = key_space::id_of(key);
    if (resident[key]) {
      space[id].touch();
      if (reports)
        engine->accessed(id, 0);
      continue;
    }
    ++result.misses;
    auto size = space.size(id);
    if (size > capacity)
      continue;
    space[id].accesses.store(0, std::memory_order_relaxed);
    engine->inserted(id, 0);
    resident[key] = true;
    for (used += size; used > capacity;) {
      auto victim = engine->evict(0);
      resident[victim / key_space::stride - 1] = false;
      used -= space.size(victim);
    }
  }
  std::chrono::duration<double> time = std::chrono::steady_clock::now()
                                       - started;
  result.seconds = time.count();
  if (auto chosen = dynamic_cast<auto_policy*>(engine.get())) {
    result.switches = chosen->switches();
    result.current = chosen->current();
    for (auto& y : chosen->candidates())
      result.candidates.push_back(
        {std::string{y.name},
         1 - static_cast<double>(y.hits) / static_cast<double>(y.requests)});
  }
  return result;
}

} // namespace terrace::bench
