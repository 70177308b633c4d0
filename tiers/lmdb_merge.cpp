#include "tiers/lmdb_merge.hpp"

#include <algorithm>

namespace terrace {

namespace {

std::uint64_t sort_prefix(const std::string& key) noexcept {
  std::uint64_t result = 0;
  for (std::size_t i = 0; i < 8; ++i)
    result = result << 8
             | (i < key.size() ? static_cast<unsigned char>(key[i]) : 0u);
  return result;
}

} // namespace

lmdb_merge::lmdb_merge(lmdb_changes& xs) {
  items.reserve(xs.items.size());
  for (auto& x : xs.items)
    items.push_back({sort_prefix(x.key()), &x});
  // Equal keys share a node; the newest change, at the highest address, first.
  std::sort(items.begin(), items.end(), [](auto& x, auto& y) {
    if (x.order != y.order)
      return x.order < y.order;
    if (x.change->node == y.change->node)
      return x.change > y.change;
    return x.change->key() < y.change->key();
  });
  auto end = std::unique(items.begin(), items.end(), [](auto& x, auto& y) {
    return x.change->node == y.change->node;
  });
  items.erase(end, items.end());
}

} // namespace terrace
