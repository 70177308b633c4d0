#include "tiers/lmdb_index.hpp"

#include <xxhash.h>

#include <cstring>
#include <new>

namespace terrace {

namespace {

/// The node's places in the table (with its room to grow) and in the lists,
/// the headers of the value's block, and what the allocator adds to both.
constexpr std::uint64_t node_overhead = sizeof(lmdb_node) + 32 + 16 + 16 + 32;

void destroy(lmdb_node& x) noexcept {
  x.~lmdb_node();
  ::operator delete(&x);
}

} // namespace

std::uint64_t lmdb_node::cost() const noexcept {
  auto result = node_overhead + key_size + data.value.size() + encoded.size();
  for (auto& tag : data.tags)
    result += sizeof(std::string) + tag.size();
  return result;
}

lmdb_probe::lmdb_probe(std::string_view x) noexcept
  : key(x), hash(XXH3_64bits(x.data(), x.size())) {
  // nop
}

lmdb_index::~lmdb_index() {
  for (auto& in : parts_)
    for (auto& x : in)
      destroy(*x.node);
}

lmdb_node& lmdb_index::insert(const lmdb_probe& x) {
  auto* memory = ::operator new(sizeof(lmdb_node) + x.key.size());
  auto* node = new (memory) lmdb_node;
  node->hash = x.hash;
  node->key_size = static_cast<std::uint32_t>(x.key.size());
  std::memcpy(static_cast<void*>(node + 1), x.key.data(), x.key.size());
  try {
    part(x.hash).insert(place{x.hash, node});
  } catch (...) {
    destroy(*node);
    throw;
  }
  ++size_;
  return *node;
}

void lmdb_index::erase(lmdb_node& x) noexcept {
  part(x.hash).erase(place{x.hash, &x});
  destroy(x);
  --size_;
}

} // namespace terrace
