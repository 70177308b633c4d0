/// The bytes of a record in Redis and on disk.
///
/// Layout, little endian, 32 bytes of header:
///
///     0  u8   magic 0x54 ('T')
///     1  u8   format, 1
///     2  u16  flags: 1 zstd, 2 tags, 4 not to be compressed
///     4  u32  size of the value before compression
///     8  u64  version
///    16  i64  expiry, Unix milliseconds, 0 = never
///    24  u64  checksum: XXH3-64 of key, header bytes 0..23, and payload
///    32       payload: [tags: u16 count, then u16 length and bytes each]
///             [value, compressed or plain]
///
/// The checksum binds key, metadata and value together: a record that is read
/// back under another key, or with a changed header, is corrupt. Records of an
/// unknown format are reported as `unsupported_format`, so that a later format
/// can live beside this one.
#pragma once

#include "config/options.hpp"
#include "messages/expected.hpp"
#include "messages/record.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// Encodes and decodes records. Safe to use from several threads at once.
class codec {
public:
  /// What the header alone tells; not verified by the checksum.
  struct header {
    version_t version = 0;
    std::int64_t expires_ms = 0;
    std::uint32_t value_size = 0; ///< before compression
    bool compressed = false;
    bool tagged = false;
  };

  /// Counts since construction, for metrics.
  struct figures {
    std::uint64_t compressed = 0;       ///< records stored compressed
    std::uint64_t incompressible = 0;   ///< tried, kept plain: no gain
    std::uint64_t raw_bytes = 0;        ///< of the compressed records, before
    std::uint64_t compressed_bytes = 0; ///< and after
    std::uint64_t corrupt = 0;          ///< decode failures
  };

  explicit codec(const compression_options& opts);

  /// Appends the bytes of `x` under `key` to `out`. Values of 4 GiB and more
  /// and tags of 64 KiB and more are `too_large`.
  expected<void> encode(std::string_view key, const record& x,
                        std::string& out) const;

  /// Reads a record back. Errors: `corrupt`, `unsupported_format`.
  expected<record> decode(std::string_view key, std::string_view bytes) const;

  /// Reads the header only, without any check of the payload.
  static expected<header> peek(std::string_view bytes) noexcept;

  /// Reads the tags only, likewise unchecked; none when they cannot be read.
  static std::vector<std::string> peek_tags(std::string_view bytes);

  /// Bytes of header and tags, behind which the value begins; all of `bytes`
  /// when they cannot be read.
  static std::size_t head_size(std::string_view bytes);

  figures stats() const noexcept;

private:
  compression_options opts_;
  struct counters {
    std::atomic<std::uint64_t> compressed{0};
    std::atomic<std::uint64_t> incompressible{0};
    std::atomic<std::uint64_t> raw_bytes{0};
    std::atomic<std::uint64_t> compressed_bytes{0};
    std::atomic<std::uint64_t> corrupt{0};
  };
  mutable counters counters_;
};

} // namespace terrace
