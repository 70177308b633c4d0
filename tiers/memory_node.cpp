#include "tiers/memory_node.hpp"

#include <algorithm>
#include <limits>
#include <new>

namespace terrace {

namespace {

using tag_list = std::vector<std::string>;

/// Longer keys are stored outside the node.
constexpr std::size_t longest_key = 2048;

/// What the allocator of the system adds to a block of its own, about.
constexpr std::size_t block_overhead = sizeof(block) + 16;

} // namespace

memory_node* memory_node::make(memory_arena& arena, std::string_view key,
                               const record& x, std::int64_t until_ms) {
  static const auto registered = (on_release_node(&release), true);
  static_cast<void>(registered);
  unsigned flags = x.compress ? 0 : plain;
  if (until_ms != 0)
    flags |= timed;
  if (x.expires_ms != until_ms)
    flags |= shorter_stay;
  if (!x.tags.empty())
    flags |= tagged;
  if (key.size() > longest_key)
    flags |= long_key;
  auto value = x.value.view();
  auto size = [&] {
    return sizeof(memory_node) + size_of(static_cast<std::uint8_t>(flags))
           + ((flags & long_key) != 0 ? 0 : key.size())
           + ((flags & outside) != 0 ? 0 : value.size());
  };
  if (size() > memory_arena::max_span)
    flags |= outside;
  std::unique_ptr<tag_list> tags;
  if ((flags & tagged) != 0)
    tags = std::make_unique<tag_list>(x.tags);
  std::unique_ptr<std::string> name;
  if ((flags & long_key) != 0)
    name = std::make_unique<std::string>(key);
  auto* memory = arena.allocate(size());
  if (!memory)
    return nullptr;
  auto* node = new (memory) memory_node;
  node->flags.store(static_cast<std::uint8_t>(flags),
                    std::memory_order_relaxed);
  node->version_ = x.version;
  node->value_size_ = static_cast<std::uint32_t>(value.size());
  if (node->has(timed)) {
    node->save(timed, until_ms);
    node->timer(0);
  }
  if (node->has(shorter_stay))
    node->save(shorter_stay, x.expires_ms);
  if (tags)
    node->save(tagged, tags.release());
  if (node->has(outside)) {
    x.value.owner()->ref();
    node->save(outside, x.value.owner());
    node->save(outside, value.data(), 8);
  }
  auto* body = const_cast<char*>(node->body());
  if (name) {
    node->save(long_key, name.release());
  } else {
    node->key_size = static_cast<std::uint16_t>(key.size());
    std::copy(key.begin(), key.end(), body);
  }
  if (!node->has(outside))
    std::copy(value.begin(), value.end(), body + node->key_size);
  return node;
}

memory_node* memory_node::move(memory_arena& arena) {
  // This node is read until no reader can see it: what is outside has to stay,
  // and has two owners until then.
  std::unique_ptr<tag_list> names;
  if (has(tagged))
    names = std::make_unique<tag_list>(tags());
  std::unique_ptr<std::string> name;
  if (has(long_key))
    name = std::make_unique<std::string>(key());
  auto size = object_size();
  auto* memory = arena.allocate(size);
  if (!memory)
    return nullptr;
  auto* node = new (memory) memory_node;
  node->flags.store(static_cast<std::uint8_t>(has_flags() & ~in_table),
                    std::memory_order_relaxed);
  node->key_size = key_size;
  node->value_size_ = value_size_;
  node->version_ = version_;
  node->accesses = accesses.load(std::memory_order_relaxed);
  std::memcpy(static_cast<void*>(node + 1), this + 1,
              size - sizeof(memory_node));
  if (has(outside))
    load<const block*>(outside)->ref();
  if (names)
    node->save(tagged, names.release());
  if (name)
    node->save(long_key, name.release());
  return node;
}

const std::vector<std::string>& memory_node::tags() const noexcept {
  static const tag_list none;
  return has(tagged) ? *load<const tag_list*>(tagged) : none;
}

std::size_t memory_node::sum_outside() const noexcept {
  std::size_t result = 0;
  if (has(outside))
    result += value_size_ + block_overhead;
  if (has(tagged)) {
    result += sizeof(tag_list) + block_overhead;
    for (auto& tag : tags())
      result += sizeof(tag) + tag.size();
  }
  if (has(long_key))
    result += sizeof(std::string) + key().size() + block_overhead;
  return result;
}

void memory_node::drop_outside() noexcept {
  if (has(outside))
    load<const block*>(outside)->deref();
  if (has(tagged))
    delete load<tag_list*>(tagged);
  if (has(long_key))
    delete load<std::string*>(long_key);
}

void memory_node::dispose(memory_arena& arena) noexcept {
  if (!drop())
    return;
  drop_outside();
  arena.free(this);
}

void memory_node::release(block* x) noexcept {
  auto* node = static_cast<memory_node*>(x);
  auto size = node->object_size();
  node->drop_outside();
  memory_arena::free_from_anywhere(node, size);
}

} // namespace terrace
