/// The hottest of many keys, within bounds.
#pragma once

#include "messages/hot_key.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace terrace {

/// Takes the keys of one shard of L1 as a walk finds them, and keeps the
/// hottest. Holds a quarter more than the bounds now and then. Plain state
/// machine, single-owner.
class hot_ranking {
public:
  /// Keeps at most so many keys, and so many bytes of a file.
  hot_ranking(std::size_t max_keys, std::size_t max_bytes)
    : max_keys_(max_keys), max_bytes_(max_bytes) {
    // nop
  }

  void add(hot_keys xs);

  /// What is less hot than this has no chance any more.
  std::uint16_t floor() const noexcept {
    return floor_;
  }

  /// The keys, hottest first. Leaves it empty.
  hot_keys take();

private:
  void cut();

  std::size_t max_keys_;
  std::size_t max_bytes_;
  hot_keys xs_;
  std::size_t bytes_ = 0;
  std::uint16_t floor_ = 0;
};

/// Puts lists together, each with the hottest first, into one. Of keys that are
/// as hot, all lists have their share in every part of the result.
hot_keys merge_hottest(std::vector<hot_keys> lists);

} // namespace terrace
