#include "tiers/lmdb_merge.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace terrace {

namespace {

constexpr std::size_t ahead = 8;

/// The eight bytes of `key` from `begin` on, comparable as a number.
std::uint64_t word_at(std::string_view key, std::size_t begin) noexcept {
  std::uint64_t result = 0;
  for (auto i = begin; i < begin + 8; ++i)
    result = result << 8
             | (i < key.size() ? static_cast<unsigned char>(key[i]) : 0u);
  return result;
}

std::size_t common_prefix(std::span<lmdb_node* const> xs) noexcept {
  if (xs.empty())
    return 0;
  auto first = xs.front()->key();
  auto result = first.size();
  for (std::size_t i = 1; i < xs.size() && result > 0; ++i) {
    if (i + ahead < xs.size())
      __builtin_prefetch(xs[i + ahead] + 1);
    auto key = xs[i]->key().substr(0, result);
    auto differs = std::mismatch(key.begin(), key.end(), first.begin()).first;
    result = static_cast<std::size_t>(differs - key.begin());
  }
  return result;
}

} // namespace

lmdb_merge::lmdb_merge(std::span<lmdb_node* const> xs) {
  // Keys of a cache share long prefixes, and following the pointers is what
  // costs: most comparisons are decided by the bytes after the common prefix.
  auto prefix = common_prefix(xs);
  std::vector<std::pair<std::uint64_t, lmdb_node*>> items;
  items.reserve(xs.size());
  for (auto* x : xs)
    items.emplace_back(word_at(x->key(), prefix), x);
  std::sort(items.begin(), items.end(), [](auto& x, auto& y) {
    return x.first != y.first ? x.first < y.first
                              : x.second->key() < y.second->key();
  });
  nodes.reserve(items.size());
  for (auto& x : items)
    nodes.push_back(x.second);
}

} // namespace terrace
