/// The file in which a node keeps the keys that L1 held, hottest first, so that
/// the next start can look them up in the tiers below. No values: those tiers
/// have them.
///
/// A header names the format and the time; blocks of some 64 KiB follow, each
/// with a checksum (XXH3) that also says which block it is; an empty one ends
/// the file. A file that was cut off or damaged gives what is whole before the
/// damage, which is the hottest. It is written beside the old one, synced, and
/// takes its place in one step.
///
/// No state: functions may be called by any thread. They block, on one file.
#pragma once

#include "messages/expected.hpp"
#include "messages/hot_key.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace terrace {

/// A file holds no more keys than this, and no more bytes.
inline constexpr std::size_t max_hot_keys = 1'000'000;
inline constexpr std::size_t max_hot_keys_size = 64u << 20;

/// Bytes that a key takes in the file, about.
inline std::size_t kept_size(const hot_key& x) noexcept {
  return 18 + x.key.size();
}

/// What a file says.
struct kept_keys {
  std::int64_t taken_ms = 0; ///< Unix time at which the keys were collected
  hot_keys found;            ///< in the order in which they were written
  failure damage;            ///< why there are no more; empty: it was whole

  friend bool operator==(const kept_keys&, const kept_keys&) = default;
};

/// The bytes of a file with the keys `xs`, which are in order, the hottest
/// first. Past the bounds the last ones are left out.
std::string encode_hot_keys(std::span<const hot_key> xs, std::int64_t taken_ms);

/// Reads the bytes of a file. Errors: `corrupt` if it does not begin as one,
/// `unsupported_format` if another version wrote it.
expected<kept_keys> parse_hot_keys(std::string_view file);

/// Puts a file with `xs` in the place of what `path` names, and makes its
/// folder if there is none. When this returns, it survives a crash of the
/// machine. Errors: `no_space`, also of memory, `read_only`, `io_failure`; the
/// old file is still there then.
expected<void> write_hot_keys(const std::string& path,
                              std::span<const hot_key> xs,
                              std::int64_t taken_ms);

/// Reads the file `path`; nothing if there is none. Errors: as
/// `parse_hot_keys`, `io_failure`, and `no_space` without memory for it.
expected<std::optional<kept_keys>> read_hot_keys(const std::string& path);

} // namespace terrace
