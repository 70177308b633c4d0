/// Access traces: recorded streams of keys.
#pragma once

#include "messages/expected.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace terrace::bench {

struct trace {
  std::vector<std::string> keys;       ///< each key once
  std::vector<std::uint32_t> sizes;    ///< of the values; empty: not recorded
  std::vector<std::uint32_t> requests; ///< in order, as positions in `keys`
};

/// Reads one key per line or, if the name contains ".ksz", `key,size_in_bytes`;
/// plain text or compressed with zstd. A size counts from where the key appears
/// first. Reads at most `limit` requests; zero: all. Fails with `io_failure`,
/// `corrupt` (zstd) or `invalid_argument` (a line, which is named).
expected<trace> read_trace(const std::string& path, std::uint64_t limit);

} // namespace terrace::bench
