/// A policy alone, with a table of items for it.
#pragma once

#include "tiers/policies/policy.hpp"

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace terrace::test {

struct test_item {
  policy_item links;
  std::uint32_t size = 1;
  std::uint64_t hash = 0;
  std::int64_t until_ms = 0;
};

/// Items by number, from 1.
class test_space final : public policy_space {
public:
  static constexpr std::uint32_t stride = sizeof(test_item) / 8;

  explicit test_space(std::vector<test_item>& xs)
    : policy_space(xs.data()), items_(xs) {
    // nop
  }

  std::uint64_t hash(item_id x) const noexcept override {
    return items_[x / stride].hash;
  }

  std::uint32_t size(item_id x) const noexcept override {
    return items_[x / stride].size;
  }

  std::int64_t until_ms(item_id x) const noexcept override {
    return items_[x / stride].until_ms;
  }

  bool make_room(std::size_t bytes) noexcept override {
    wanted = bytes;
    return bytes <= room;
  }

  std::size_t wanted = 0; ///< memory, last time
  std::size_t room = SIZE_MAX;

private:
  std::vector<test_item>& items_;
};

/// A policy and items of size 1 whose hash is their number.
struct policy_bench {
  explicit policy_bench(std::string_view policy, std::size_t n = 64,
                        policy_group* group = nullptr)
    : items(n), space(items), engine(make_policy(policy, space, group)) {
    for (std::size_t i = 0; i < n; ++i)
      items[i].hash = i;
  }

  static item_id id(std::uint64_t n) {
    return static_cast<item_id>(n) * test_space::stride;
  }

  void in(std::initializer_list<int> xs) {
    for (auto x : xs)
      engine->inserted(id(static_cast<std::uint64_t>(x)), 0);
  }

  void hit(std::initializer_list<int> xs) {
    for (auto x : xs) {
      auto i = id(static_cast<std::uint64_t>(x));
      space[i].touch();
      engine->accessed(i, 0);
    }
  }

  std::uint64_t out(std::int64_t now_ms = 0) {
    return engine->evict(now_ms) / test_space::stride;
  }

  std::string order() const {
    std::string result;
    for (auto x : engine->dump())
      result += (result.empty() ? "" : " ") + std::to_string(x);
    return result;
  }

  std::vector<test_item> items;
  test_space space;
  std::unique_ptr<eviction_policy> engine;
};

/// For hashes that do not lie side by side.
inline std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDu;
  x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53u;
  return x ^ (x >> 33);
}

} // namespace terrace::test
