/// The contract of eviction policies: who leaves L1 when it is full.
#pragma once

#include "tiers/memory_node.hpp"

#include <cstdint>
#include <vector>

namespace terrace {

/// Orders the nodes of one shard. Used by the shard's writer only. A policy
/// uses the node's links, queue number and access counter, never its contents,
/// and charges each node with its `footprint()`.
class eviction_policy {
public:
  virtual ~eviction_policy() = default;

  /// A node that was not there came in.
  virtual void inserted(memory_node& x) = 0;

  /// `fresh` took the place of `old`, which the policy must forget.
  virtual void replaced(memory_node& old, memory_node& fresh) = 0;

  /// A node left for another reason than eviction.
  virtual void erased(memory_node& x) = 0;

  /// Unlinks the node to evict and returns it, or null when there is none.
  virtual memory_node* evict() = 0;

  /// Hashes of all nodes, the next to be examined first, queue by queue.
  virtual std::vector<std::uint64_t> dump() const = 0;
};

} // namespace terrace
