/// The rows of the tables that hold records, exact at every commit:
///
///     data    key                     -> i64 until, [u32 size, key],
///                                        [u64 run, u32 size], record
///     chunks  u64 run, u16 number     -> the rest of a large record
///     expiry  be64 until, key         -> nothing     who expires first
///     tags    tenant, XXH3-128 of tag, key
///                                     -> nothing     who carries a tag
///     totals  group                   -> lmdb_total  what belongs together
///     fences  group                   -> u64 version what has been cleared
///     meta    "state"                 -> lmdb_state
///     meta    "hand"                  -> key         where eviction goes on
///
/// A group is a tenant (its two bytes) or a tag of a tenant (and the tag's
/// XXH3-128); see lmdb_totals.hpp.
///
/// `until` is when the record leaves the disk: its expiry or, if sooner, the
/// end of its longest stay; 0 means never.
///
/// Of a large record (codec.hpp) only header and tags are in `data`; its value
/// is cut into chunks of 16 pages, and the sign bit of `until` is set. LMDB
/// needs neighbouring pages for a row that is larger than a page, and a file
/// that has been in use for long has few long runs of free ones: with values of
/// 64 MiB in one row each the file was measured to grow to 1.69 times what it
/// holds, in chunks of 16 pages to 1.19 times, at the same speed.
///
/// LMDB's keys end at 511 bytes. A longer key is stored as its first 470 bytes
/// and its XXH3-128, 486 bytes in all, which is a length that no short key has;
/// the whole key is in the row and is compared when the row is read.
#pragma once

#include "messages/record.hpp"
#include "tiers/lmdb_env.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace terrace {

/// Totals, kept in the same transaction as what they count.
struct lmdb_state {
  static constexpr std::uint64_t current_format = 2;

  std::uint64_t format = current_format;
  std::uint64_t entries = 0;        ///< rows of `data`
  std::uint64_t bytes = 0;          ///< keys, values, index rows
  std::uint64_t hidden_entries = 0; ///< of these, cleared and not yet deleted
  std::uint64_t hidden_bytes = 0;
  version_t max_version = 0;  ///< highest ever in the tree
  version_t floor = 0;        ///< records up to here are lost, see the store
  std::uint64_t filling = 0;  ///< journal that takes new changes: 0 or 1
  std::uint64_t next_run = 1; ///< of chunks
};

/// A row of `data`, taken apart.
struct lmdb_row {
  std::int64_t until = 0;
  std::string_view key;    ///< the whole key
  std::string_view record; ///< for the codec; of a large one, the beginning
  std::uint64_t run = 0;   ///< chunks with the rest; 0: there is no more
  std::uint32_t rest = 0;  ///< bytes in them
};

/// Records of this size are large.
inline constexpr std::size_t lmdb_large_record = 65536;

/// Bytes of a chunk: with LMDB's header, 16 pages.
inline constexpr std::size_t lmdb_chunk_size = 16 * 4096 - 16;

/// Key of a chunk.
constexpr std::uint64_t lmdb_chunk_key(std::uint64_t run,
                                       std::uint64_t number) noexcept {
  return run << 16 | number;
}

/// The key of `key` in the tables: itself, or made in `scratch` if it is long.
std::string_view lmdb_key(std::string_view key, std::string& scratch);

/// The bytes with which the keys of all keys that begin with `prefix` begin.
std::string_view lmdb_key_prefix(std::string_view prefix) noexcept;

/// The key of an entry's row in `expiry`, written to `out`.
void lmdb_expiry_key(std::string& out, std::int64_t until,
                     std::string_view table_key);

/// The time in such a key.
std::int64_t lmdb_until_of(std::string_view expiry_key) noexcept;

/// The key of an entry's row in `tags`, written to `out`. With nothing but the
/// tenant for `table_key`: what the rows of all entries with the tag begin
/// with.
void lmdb_tag_key(std::string& out, std::string_view table_key,
                  std::string_view tag);

/// The group of a tag: the first bytes of its rows in `tags`.
std::string lmdb_tag_group(tenant_id tenant, std::string_view tag);

/// Keys in `meta`.
inline constexpr std::string_view lmdb_state_key = "state";
inline constexpr std::string_view lmdb_hand_key = "hand";

/// Puts a row of `data` together in `out`; `x` has its parts.
void lmdb_make_row(std::string& out, std::string_view table_key,
                   const lmdb_row& x);

/// Bytes that an entry takes in all tables, without what is free in their
/// pages.
std::uint64_t lmdb_footprint(std::size_t key_size, std::size_t row_size,
                             const lmdb_row& x, std::size_t tags) noexcept;

/// Takes a row apart. False: it is damaged.
bool lmdb_parse(std::string_view table_key, std::string_view value,
                lmdb_row& out) noexcept;

/// The state of an environment, a fresh one for an empty environment. Throws
/// `unsupported_format` if another version of Terrace wrote it.
lmdb_state lmdb_load_state(lmdb_env& env);

/// True if some entry's time is over.
bool lmdb_expiry_due(lmdb_env& env, std::int64_t now_ms);

} // namespace terrace
