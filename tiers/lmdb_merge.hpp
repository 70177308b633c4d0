/// Keys with changes, sorted, on their way into the tree.
///
/// A merge is done in slices, one a transaction: neighbouring keys share pages,
/// so the sum of the slices costs hardly more than one great transaction, and
/// new changes reach the journal between them.
#pragma once

#include "tiers/lmdb_overlay.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace terrace {

/// Bytes of one slice, about; the least when pages or the device are short.
inline constexpr std::uint64_t lmdb_max_slice = 16ull << 20;
inline constexpr std::uint64_t lmdb_min_slice = 128ull << 10;

/// Changes of one slice.
inline constexpr std::uint64_t lmdb_most_changes = 8192;
inline constexpr std::uint64_t lmdb_fewest_changes = 16;

struct lmdb_merge {
  /// The nodes have to stay until the merge is over.
  explicit lmdb_merge(std::span<lmdb_node* const> xs);

  std::vector<lmdb_node*> nodes; ///< in the order of their keys
  std::size_t next = 0;          ///< first that has not been committed
};

} // namespace terrace
