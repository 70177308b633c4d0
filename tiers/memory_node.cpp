#include "tiers/memory_node.hpp"

#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>

namespace terrace {

memory_node* memory_node::make(std::string_view key, std::uint64_t hash,
                               const record& x, std::int64_t until_ms) {
  auto value = x.value.view();
  const bool inside = value.size() <= inline_value_limit;
  auto* mem = std::malloc(sizeof(memory_node) + key.size()
                          + (inside ? value.size() : 0));
  if (!mem)
    throw std::bad_alloc{};
  auto* node = new (mem) memory_node;
  auto* tail = reinterpret_cast<char*>(node + 1);
  std::memcpy(tail, key.data(), key.size());
  node->key_size_ = static_cast<std::uint32_t>(key.size());
  node->value_size_ = static_cast<std::uint32_t>(value.size());
  node->hash_ = hash;
  node->until_ms_ = until_ms;
  node->version_ = x.version;
  node->expires_ms_ = x.expires_ms;
  node->compress_ = x.compress;
  if (inside) {
    if (!value.empty())
      std::memcpy(tail + key.size(), value.data(), value.size());
    node->value_ = tail + key.size();
    node->owner_ = node;
  } else {
    node->value_ = value.data();
    node->owner_ = x.value.owner();
    node->owner_->ref();
  }
  if (!x.tags.empty())
    node->tags_ = new std::vector<std::string>(x.tags);
  return node;
}

void memory_node::release(block* x) noexcept {
  auto* node = static_cast<memory_node*>(x);
  if (node->owner_ != node)
    node->owner_->deref();
  delete node->tags_;
  node->~memory_node();
  std::free(node);
}

const std::vector<std::string>& memory_node::tags() const noexcept {
  static const std::vector<std::string> none;
  return tags_ ? *tags_ : none;
}

std::size_t memory_node::footprint() const noexcept {
  constexpr std::size_t malloc_header = 8;
  auto result = malloc_usable_size(const_cast<memory_node*>(this))
                + malloc_header;
  if (owner_ != this)
    result += value_size_ + sizeof(block) + malloc_header;
  if (tags_) {
    result += sizeof(*tags_);
    for (auto& tag : *tags_)
      result += sizeof(tag) + tag.size();
  }
  return result;
}

} // namespace terrace
