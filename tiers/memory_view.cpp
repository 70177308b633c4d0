#include "tiers/memory_view.hpp"

#include <chrono>

namespace terrace {

namespace {

constexpr std::uint64_t sample_every = 256;

void raise(std::atomic<std::uint64_t>& x) noexcept {
  // Only the owner writes: no read-modify-write needed.
  x.store(x.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

} // namespace

memory_view::memory_view(std::size_t shards, std::size_t expected_entries,
                         std::uint64_t seed)
  : seed_(seed),
    domain_(std::make_shared<epoch_domain>(shards)),
    policies_(shards) {
  for (std::size_t i = 0; i < shards; ++i)
    tables_.push_back(
      std::make_unique<memory_table>(domain_, expected_entries / shards, seed));
}

const memory_node* memory_view::find(const epoch_domain::guard& pinned,
                                     std::string_view key, std::uint64_t hash,
                                     std::int64_t now_ms) const {
  using clock = std::chrono::steady_clock;
  auto& slot = pinned.slot();
  auto shard = shard_of(hash);
  auto& table = *tables_[shard];
  auto seen = slot.hits.load(std::memory_order_relaxed)
              + slot.misses.load(std::memory_order_relaxed);
  const bool sampled = seen % sample_every == 0;
  auto start = sampled ? clock::now() : clock::time_point{};
  auto* node = table.find(key, hash);
  if (node && node->live(now_ms)) {
    node->touch();
    raise(slot.hits);
    if (table.reports(hash))
      slot.rings[shard].remember(table.id_of(*node));
  } else {
    node = nullptr;
    raise(slot.misses);
  }
  if (sampled)
    latency_.record(clock::now() - start);
  return node;
}

} // namespace terrace
