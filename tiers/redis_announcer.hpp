/// What the connections of one Redis tier know about telling other nodes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace terrace {

/// Shared; all but `seq` does not change.
struct redis_announcer {
  std::string node;           ///< this one's name, another one at each start
  std::string channel;        ///< where events are published
  std::size_t log_length = 0; ///< events that the log keeps, about
  /// Number of the latest event of this node. One that was perhaps not written
  /// keeps its number; what it told is announced again under another one.
  std::atomic<std::uint64_t> seq{0};
};

} // namespace terrace
