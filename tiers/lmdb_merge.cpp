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

lmdb_merge::lmdb_merge(const lmdb_layer& layer) {
  items.reserve(layer.changes.size());
  for (auto& [key, change] : layer.changes)
    items.push_back({sort_prefix(key), &key, &change});
  std::sort(items.begin(), items.end(), [](auto& x, auto& y) {
    return x.order != y.order ? x.order < y.order : *x.key < *y.key;
  });
}

} // namespace terrace
