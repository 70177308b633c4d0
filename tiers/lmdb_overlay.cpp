#include "tiers/lmdb_overlay.hpp"

#include <algorithm>
#include <iterator>

namespace terrace {

namespace {

/// The key's place in the map and in the lists, and the value's block header.
constexpr std::uint64_t change_overhead = sizeof(lmdb_node)
                                          + sizeof(lmdb_change) + 48;

/// Changes handled under one hold of the mutex.
constexpr std::size_t at_once = 4096;

std::uint64_t cost(const std::string& key, const record& x) noexcept {
  auto result = change_overhead + key.size() + x.value.size();
  for (auto& tag : x.tags)
    result += sizeof(std::string) + tag.size();
  return result;
}

} // namespace

// -- looking up ---------------------------------------------------------------

const lmdb_slot* lmdb_overlay::peek(const std::string& key) const {
  auto i = newest_.find(key);
  return i == newest_.end() ? nullptr : &i->second;
}

lmdb_overlay::state lmdb_overlay::find(const std::string& key,
                                       record& out) const {
  if (bytes() == 0)
    return state::unknown;
  std::lock_guard lock{mutex_};
  auto* x = peek(key);
  if (!x)
    return state::unknown;
  out = x->data;
  return x->removed ? state::removed : state::record;
}

void lmdb_overlay::each(const std::function<void(const lmdb_node&)>& f) const {
  if (bytes() == 0)
    return;
  std::lock_guard lock{mutex_};
  for (auto& x : newest_)
    f(x);
}

lmdb_overlay::sizes lmdb_overlay::stats() const {
  std::lock_guard lock{mutex_};
  sizes result;
  result.staged_entries = active_.size() + frozen_.items.size();
  result.staged_bytes = active_bytes_ + frozen_.bytes;
  result.entries = newest_.size();
  result.bytes = bytes();
  return result;
}

// -- changing -----------------------------------------------------------------

void lmdb_overlay::stage(const std::string& key, record x, bool removed) {
  auto& node = *newest_.try_emplace(key).first;
  auto& slot = node.second;
  if (slot.round == round_) {
    active_bytes_ -= cost(key, slot.data);
  } else {
    active_.push_back(&node);
    slot.round = round_;
    ++slot.refs;
  }
  slot.data = std::move(x);
  slot.removed = removed;
  active_bytes_ += cost(key, slot.data);
  account();
}

version_t lmdb_overlay::drop_active() {
  version_t result = 0;
  for (auto* node : active_) {
    auto& slot = node->second;
    result = std::max(result, slot.data.version);
    slot.data.value = {};
    slot.removed = true;
    slot.round = 0;
    if (--slot.refs == 0)
      newest_.erase(newest_.find(node->first));
  }
  active_.clear();
  active_bytes_ = 0;
  account();
  return result;
}

// -- the writer's side --------------------------------------------------------

lmdb_changes& lmdb_overlay::freeze() {
  std::vector<lmdb_node*> nodes;
  {
    std::lock_guard lock{mutex_};
    frozen_.items.reserve(active_.size());
    nodes.swap(active_);
    ++round_;
    frozen_.bytes = std::exchange(active_bytes_, 0);
    account();
  }
  // A slot that is changed before its turn goes to disk in the newer form, and
  // once more with the next commit.
  for (std::size_t i = 0; i < nodes.size();) {
    std::lock_guard lock{mutex_};
    for (auto end = std::min(nodes.size(), i + at_once); i < end; ++i) {
      auto& slot = nodes[i]->second;
      frozen_.items.push_back({nodes[i], slot.data, slot.removed, false, {}});
    }
  }
  return frozen_;
}

void lmdb_overlay::thaw() {
  auto xs = std::exchange(frozen_, {});
  for (std::size_t i = 0; i < xs.items.size();) {
    std::lock_guard lock{mutex_};
    for (auto end = std::min(xs.items.size(), i + at_once); i < end; ++i) {
      auto& [key, slot] = *xs.items[i].node;
      if (slot.round == round_) {
        --slot.refs; // changed since, and in the active list for that
      } else {
        slot.round = round_;
        active_.push_back(xs.items[i].node);
        active_bytes_ += cost(key, slot.data);
      }
    }
    account();
  }
}

void lmdb_overlay::keep() {
  std::lock_guard lock{mutex_};
  journaled_.bytes += frozen_.bytes;
  if (journaled_.empty())
    std::swap(journaled_.items, frozen_.items);
  else
    std::move(frozen_.items.begin(), frozen_.items.end(),
              std::back_inserter(journaled_.items));
  frozen_ = {};
}

void lmdb_overlay::drop_frozen() {
  release(frozen_);
}

void lmdb_overlay::begin_merge() {
  std::lock_guard lock{mutex_};
  std::swap(journaled_, merging_);
}

void lmdb_overlay::end_merge() {
  release(merging_);
}

void lmdb_overlay::restore(std::vector<lmdb_replay> xs, bool merging) {
  auto& list = merging ? merging_ : journaled_;
  std::lock_guard lock{mutex_};
  for (auto& x : xs) {
    auto& node = *newest_.try_emplace(std::move(x.key)).first;
    node.second.data = x.data;
    node.second.removed = x.removed;
    ++node.second.refs;
    list.bytes += cost(node.first, x.data);
    list.items.push_back({&node, std::move(x.data), x.removed, false, {}});
  }
  account();
}

void lmdb_overlay::release(lmdb_changes& list) {
  lmdb_changes xs;
  {
    std::lock_guard lock{mutex_};
    std::swap(xs, list);
    account();
  }
  for (std::size_t i = 0; i < xs.items.size();) {
    std::lock_guard lock{mutex_};
    for (auto end = std::min(xs.items.size(), i + at_once); i < end; ++i) {
      auto* node = xs.items[i].node;
      if (--node->second.refs == 0)
        newest_.erase(newest_.find(node->first));
    }
  }
}

void lmdb_overlay::account() {
  staged_bytes_.store(active_bytes_, std::memory_order_relaxed);
  bytes_.store(active_bytes_ + frozen_.bytes + journaled_.bytes
                 + merging_.bytes,
               std::memory_order_relaxed);
}

} // namespace terrace
