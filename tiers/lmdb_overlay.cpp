#include "tiers/lmdb_overlay.hpp"

#include <algorithm>

namespace terrace {

namespace {

/// A node of the hash map, its bucket, and the block header of the value.
constexpr std::uint64_t change_overhead = sizeof(std::string)
                                          + sizeof(lmdb_change) + 48;

/// Changes moved under one hold of the mutex.
constexpr std::size_t moved_at_once = 512;

} // namespace

std::uint64_t lmdb_overlay::cost(std::string_view key,
                                 const record& x) noexcept {
  auto result = change_overhead + key.size() + x.value.size();
  for (auto& tag : x.tags)
    result += sizeof(std::string) + tag.size();
  return result;
}

// -- looking up ---------------------------------------------------------------

const lmdb_change* lmdb_overlay::peek(const std::string& key) const {
  for (auto* layer : {&active_, &frozen_, &journaled_, &merging_})
    if (!layer->changes.empty())
      if (auto i = layer->changes.find(key); i != layer->changes.end())
        return &i->second;
  return nullptr;
}

lmdb_overlay::state lmdb_overlay::find(const std::string& key,
                                       record& out) const {
  std::lock_guard lock{mutex_};
  auto* x = peek(key);
  if (!x)
    return state::unknown;
  out = x->data;
  return x->removed ? state::removed : state::record;
}

void lmdb_overlay::each(
  const std::function<bool(std::string_view)>& wanted,
  const std::function<void(const std::string&, const lmdb_change&)>& f) const {
  std::lock_guard lock{mutex_};
  for (auto* layer : {&active_, &frozen_, &journaled_, &merging_})
    for (auto& [key, x] : layer->changes)
      if (wanted(key) && peek(key) == &x)
        f(key, x);
}

lmdb_overlay::sizes lmdb_overlay::stats() const {
  std::lock_guard lock{mutex_};
  sizes result;
  for (auto* layer : {&active_, &frozen_}) {
    result.staged_entries += layer->changes.size();
    result.staged_bytes += layer->bytes;
  }
  result.entries = result.staged_entries + journaled_.changes.size()
                   + merging_.changes.size();
  result.bytes = result.staged_bytes + journaled_.bytes + merging_.bytes;
  return result;
}

// -- changing -----------------------------------------------------------------

void lmdb_overlay::stage(const std::string& key, record x, bool removed) {
  auto size = cost(key, x);
  auto [i, fresh] = active_.changes.try_emplace(key);
  auto old = fresh ? 0 : cost(key, i->second.data);
  i->second.data = std::move(x);
  i->second.removed = removed;
  active_.bytes += size - old;
  bytes_.fetch_add(size - old, std::memory_order_relaxed);
  staged_bytes_.fetch_add(size - old, std::memory_order_relaxed);
}

version_t lmdb_overlay::drop_active() {
  version_t result = 0;
  for (auto& [key, x] : active_.changes)
    result = std::max(result, x.data.version);
  active_ = {};
  account();
  return result;
}

// -- the writer's side --------------------------------------------------------

const lmdb_layer* lmdb_overlay::freeze() {
  std::lock_guard lock{mutex_};
  if (active_.changes.empty())
    return nullptr;
  std::swap(active_, frozen_);
  staged_bytes_.store(0, std::memory_order_relaxed);
  return &frozen_;
}

void lmdb_overlay::thaw() {
  while (!frozen_.changes.empty()) {
    std::lock_guard lock{mutex_};
    for (auto n = moved_at_once; n > 0 && !frozen_.changes.empty(); --n) {
      auto node = frozen_.changes.extract(frozen_.changes.begin());
      auto size = cost(node.key(), node.mapped().data);
      if (active_.changes.insert(std::move(node)).inserted)
        active_.bytes += size;
      frozen_.bytes -= size;
    }
    account();
  }
}

void lmdb_overlay::keep() {
  while (!frozen_.changes.empty()) {
    std::lock_guard lock{mutex_};
    for (auto n = moved_at_once; n > 0 && !frozen_.changes.empty(); --n) {
      auto node = frozen_.changes.extract(frozen_.changes.begin());
      auto size = cost(node.key(), node.mapped().data);
      frozen_.bytes -= size;
      journaled_.bytes += size;
      auto put = journaled_.changes.insert(std::move(node));
      if (!put.inserted) {
        auto& old = put.position->second;
        journaled_.bytes -= cost(put.node.key(), old.data);
        old = std::move(put.node.mapped());
      }
    }
    account();
  }
}

void lmdb_overlay::drop_frozen() {
  drop(frozen_);
}

void lmdb_overlay::begin_merge() {
  std::lock_guard lock{mutex_};
  std::swap(journaled_, merging_);
}

void lmdb_overlay::end_merge() {
  drop(merging_);
}

void lmdb_overlay::restore(lmdb_layer journaled, lmdb_layer merging) {
  std::lock_guard lock{mutex_};
  journaled_ = std::move(journaled);
  merging_ = std::move(merging);
  account();
}

void lmdb_overlay::drop(lmdb_layer& x) {
  lmdb_layer garbage; // freed after the mutex
  std::lock_guard lock{mutex_};
  std::swap(garbage, x);
  account();
}

void lmdb_overlay::account() {
  staged_bytes_.store(active_.bytes, std::memory_order_relaxed);
  bytes_.store(active_.bytes + frozen_.bytes + journaled_.bytes
                 + merging_.bytes,
               std::memory_order_relaxed);
}

} // namespace terrace
