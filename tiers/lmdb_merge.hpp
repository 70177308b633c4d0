/// A list of changes, sorted by key and only the newest of each, on their way
/// into the tree.
///
/// A merge is done in slices, one a transaction: neighbouring keys share pages,
/// so the sum of the slices costs hardly more than one great transaction, and
/// new changes reach the journal between them.
#pragma once

#include "tiers/lmdb_overlay.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace terrace {

/// Bytes of one slice, about.
inline constexpr std::uint64_t lmdb_max_slice = 16ull << 20;

struct lmdb_merge {
  struct item {
    std::uint64_t order; ///< first bytes of the key, for fast comparison
    lmdb_change* change;
  };

  /// `xs` has to stay as it is until the merge is over.
  explicit lmdb_merge(lmdb_changes& xs);

  bool done() const noexcept {
    return next == items.size();
  }

  std::vector<item> items;
  std::size_t next = 0; ///< first item that has not been committed
};

} // namespace terrace
