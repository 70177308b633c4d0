/// Shares of reads and writes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace terrace::bench {

struct request_mix {
  unsigned write_percent = 0;
  bool evicts = false; ///< the cache is smaller than the key space

  /// Of "hits", reads of a cache that holds all keys, or of "90-10", percent of
  /// reads and writes with eviction; nothing if it is anything else.
  static std::optional<request_mix> parse(std::string_view text);

  /// What `parse` reads.
  std::string str() const;
};

} // namespace terrace::bench
