/// The bytes of a record in Redis and on disk.
///
/// Layout, little endian, 32 bytes of header:
///
///     0  u8   magic 0x54 ('T')
///     1  u8   format, 1
///     2  u16  flags: 1 zstd, 2 tags, 4 not to be compressed,
///             8 zstd with a dictionary (and 1)
///     4  u32  size of the value before compression
///     8  u64  version
///    16  i64  expiry, Unix milliseconds, 0 = never
///    24  u64  checksum: XXH3-64 of key, header bytes 0..23, and payload
///    32       payload: [u32 number of the dictionary]
///             [tags: u16 count, then u16 length and bytes each]
///             [value, compressed or plain]
///
/// The checksum binds key, metadata and value together: a record that is read
/// back under another key, or with a changed header, is corrupt. Records of an
/// unknown format are reported as `unsupported_format`, so that a later format
/// can live beside this one; so are whole records whose dictionary is not known
/// here: they are no worse than before when somebody brings it.
///
/// What is compressed: values of `threshold` bytes and more by zstd alone;
/// those from `dictionary_min_size` to 16 KiB with the dictionary of their
/// key's family (tiers/dictionary_family.hpp), or of the rest, if there is one.
/// Neither is kept if it saves less than a sixteenth.
#pragma once

#include "config/options.hpp"
#include "messages/expected.hpp"
#include "messages/record.hpp"
#include "messages/status.hpp"
#include "tiers/dictionary_set.hpp"

#include <atomic>
#include <cstdint>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
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
    /// Of the compressed records, those with a dictionary, likewise.
    std::uint64_t dictionary_compressed = 0;
    std::uint64_t dictionary_raw_bytes = 0;
    std::uint64_t dictionary_compressed_bytes = 0;
    std::uint64_t dictionary_missing = 0; ///< decode failures for want of one
    /// Time in zstd, estimated from every seventeenth value.
    std::uint64_t compress_ns = 0;
    std::uint64_t decompress_ns = 0;
  };

  /// `dictionaries`: those of the node; null if it has none.
  explicit codec(const compression_options& opts,
                 dictionary_set_ptr dictionaries = nullptr);

  /// Appends the bytes of `x` under `key` to `out`. Values of 4 GiB and more
  /// and tags of 64 KiB and more are `too_large`.
  expected<void> encode(std::string_view key, const record& x,
                        std::string& out) const;

  /// Reads a record back. Errors: `corrupt`, `unsupported_format`, `no_space`.
  expected<record> decode(std::string_view key, std::string_view bytes) const;

  /// Reads the header only, without any check of the payload.
  static expected<header> peek(std::string_view bytes) noexcept;

  /// Reads the tags only, likewise unchecked; none when they cannot be read.
  static std::vector<std::string> peek_tags(std::string_view bytes);

  /// Bytes of all that stands before the value; all of `bytes` when that cannot
  /// be read.
  static std::size_t head_size(std::string_view bytes);

  /// The number of the dictionary that a record needs, likewise; 0: none.
  static std::uint32_t dictionary_of(std::string_view bytes) noexcept;

  // -- dictionaries -----------------------------------------------------------

  /// True if this codec has the node's dictionaries.
  bool has_dictionaries() const noexcept {
    return set_ != nullptr;
  }

  /// The number of the dictionary that has to be brought (`add_dictionary`)
  /// before a record can be read; 0: none. Unchecked like `peek`.
  std::uint32_t missing_dictionary(std::string_view bytes) const;

  /// True if `wanted` may have something new. Cheap.
  bool wants_any() const noexcept;

  /// Dictionaries that this codec should write with and may not yet: whoever
  /// has its records keeps `dictionary::stored` beside them, so that it is
  /// there for as long as they are, and calls `adopt`. From now on the codec no
  /// longer writes with those that have gone out of use.
  std::vector<dictionary_ptr> wanted();

  /// Records may be written with `x` from now on, instead of the one before of
  /// its family.
  void adopt(const dictionary_ptr& x);

  /// No record may be written with this one: it is no longer where the records
  /// are. It is wanted again.
  void forsake(std::uint32_t id);

  /// Those that records are written with.
  std::vector<dictionary_ptr> adopted() const;

  /// Takes a dictionary that was found beside the records; see
  /// `dictionary_set::add`. Fails with `invalid_argument` if dictionaries are
  /// switched off.
  expected<dictionary_ptr> add_dictionary(std::string_view stored) const;

  // -- figures ----------------------------------------------------------------

  figures stats() const noexcept;

  /// Puts what has happened since `before` under the names of the metrics. One
  /// is no count but how things are: `dictionaries_adopted`.
  void fill(counter_map& out, const figures& before) const;

private:
  using relaxed_counter = std::atomic<std::uint64_t>;

  /// Appends what follows the header and returns the flags.
  std::uint16_t append_payload(std::string_view key, const record& x,
                               std::string& out) const;

  /// Appends the value if it is smaller afterwards.
  bool append_compressed(std::string_view value, const dictionary* with,
                         std::string& out) const;

  expected<blob> inflate(std::string_view bytes, std::size_t size,
                         const dictionary* with) const;

  /// What to write a value of this family with; null: nothing.
  dictionary_ptr dictionary_for(const dictionary_family& of) const;

  compression_options opts_;
  dictionary_set_ptr set_; ///< null: no dictionaries
  mutable std::shared_mutex mutex_;
  /// Those to write with, by the hash of their family; under `mutex_`.
  std::unordered_map<std::uint64_t, dictionary_ptr> adopted_;
  std::atomic<std::uint64_t> seen_version_{0}; ///< of `set_`
  struct counters {
    relaxed_counter compressed{0};
    relaxed_counter incompressible{0};
    relaxed_counter raw_bytes{0};
    relaxed_counter compressed_bytes{0};
    relaxed_counter corrupt{0};
    relaxed_counter dictionary_compressed{0};
    relaxed_counter dictionary_raw_bytes{0};
    relaxed_counter dictionary_compressed_bytes{0};
    relaxed_counter dictionary_missing{0};
    relaxed_counter compress_ns{0};
    relaxed_counter decompress_ns{0};
  };
  mutable counters counters_;
};

} // namespace terrace
