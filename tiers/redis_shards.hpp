/// Shares keys among independent servers by rendezvous hashing: every server
/// draws a number for the key, and the highest wins. A server that joins takes
/// its part from all others, one that leaves gives its part to all others, and
/// no other key moves. Source: Thaler, Ravishankar, "Using name-based mappings
/// to increase hit rates", 1998.
///
/// A draw costs about a nanosecond per server: meant for tens of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// Immutable after construction, so any thread may use it.
class redis_shards {
public:
  /// The order of `labels`, which must differ, is of no importance.
  explicit redis_shards(std::span<const std::string> labels);

  /// Index of the server that holds `name`.
  std::size_t owner(std::string_view name) const noexcept;

private:
  std::vector<std::uint64_t> seeds_; /// One per server.
};

} // namespace terrace
