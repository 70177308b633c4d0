#include "tools/bench/engine.hpp"

#include <thread>

namespace terrace::bench {

namespace {

constexpr std::uint64_t seed = 17;

/// As in the memory tier.
constexpr std::size_t sweep_budget = 16384;

constexpr int tries = 64;
constexpr int yields = 16;

} // namespace

engine::engine(const memory_options& opts, std::size_t shards)
  : view_(memory_store::make_view(opts, shards, seed)) {
  for (std::size_t i = 0; i < shards; ++i) {
    auto x = std::make_unique<shard>();
    x->store = std::make_unique<memory_store>(opts, view_, i);
    x->store->on_evict([at = x.get()](const memory_node&) { ++at->evicted; });
    shards_.push_back(std::move(x));
  }
}

std::unique_lock<std::mutex> engine::enter(shard& x) {
  std::unique_lock lock{x.mutex, std::try_to_lock};
  for (auto n = tries; !lock && n > 0; --n) {
    __builtin_ia32_pause();
    lock.try_lock();
  }
  // Whoever has it may wait for a core.
  for (auto n = yields; !lock && n > 0; --n) {
    std::this_thread::yield();
    lock.try_lock();
  }
  if (!lock)
    lock.lock();
  return lock;
}

void engine::put(std::string_view key, std::string_view value,
                 std::int64_t now_ms) {
  auto& to = shard_of(key);
  auto lock = enter(to);
  to.scratch.key = key;
  // The store copies small values into its nodes.
  to.scratch.data.value = value.size() <= memory_arena::max_object
                            ? blob::share(to.borrowed, value)
                            : blob::copy(value);
  to.scratch.data.version = ++to.last;
  to.store->put(std::span{&to.scratch, 1}, false, now_ms);
  to.scratch.data.value = {};
}

void engine::erase(std::string_view key, std::int64_t now_ms) {
  auto& to = shard_of(key);
  auto lock = enter(to);
  removal x{std::string{key}, ++to.last};
  to.store->remove(std::span{&x, 1}, now_ms);
}

void engine::sweep(std::int64_t now_ms) {
  for (auto& x : shards_) {
    auto lock = enter(*x);
    x->store->sweep(now_ms, sweep_budget);
  }
}

engine_figures engine::figures() {
  engine_figures result;
  for (auto& x : shards_) {
    auto lock = enter(*x);
    x->store->describe(result.tier);
    result.callbacks += x->evicted;
  }
  return result;
}

} // namespace terrace::bench
