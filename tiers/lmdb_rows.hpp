/// The rows of the tables that hold records, exact at every commit:
///
///     data    key                     -> u64 seq, i64 until, [u32 size, key],
///                                        record (codec.hpp)
///     order   u64 seq                 -> key         who came first
///     expiry  be64 until, key         -> nothing     who expires first
///     tags    tenant, XXH3-128 of tag, key
///                                     -> nothing     who carries a tag
///     meta    "state"                 -> lmdb_state
///     meta    "n", tenant             -> u64         entries of a tenant
///
/// `seq` is the place of an entry in the order of eviction, oldest first. It is
/// used instead of the version because rows of `order` are then only ever
/// appended, and because a merge goes through keys in their order, so that
/// neighbours in `data` are neighbours in `order` and are evicted together;
/// among the entries of one merge the age is that of their keys' order. An
/// entry that is overwritten goes to the young end only from the older half of
/// the order, since each move rewrites a page of it. What is evicted has thus
/// not been written while the younger half came in.
///
/// `until` is when the record leaves the disk: its expiry or, if sooner, the
/// end of its longest stay; 0 means never.
///
/// LMDB's keys end at 511 bytes. A longer key is stored as its first 470 bytes
/// and its XXH3-128, 486 bytes in all, which is a length that no short key has;
/// the whole key is in the row and is compared when the row is read.
#pragma once

#include "messages/record.hpp"
#include "tiers/lmdb_env.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace terrace {

/// Totals, kept in the same transaction as what they count.
struct lmdb_state {
  static constexpr std::uint64_t current_format = 1;

  std::uint64_t format = current_format;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0; ///< keys, values, index rows
  std::uint64_t next_seq = 1;
  version_t max_version = 0; ///< highest ever in the tree
  version_t floor = 0;       ///< records up to here are lost, see the store
  std::uint64_t filling = 0; ///< journal that takes new changes: 0 or 1
};

/// A row of `data`, taken apart.
struct lmdb_row {
  std::uint64_t seq = 0;
  std::int64_t until = 0;
  std::string_view key;    ///< the whole key
  std::string_view record; ///< for the codec
};

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

/// The key of a tenant's count in `meta`.
std::string lmdb_count_key(tenant_id tenant);

/// The key of the totals in `meta`.
inline constexpr std::string_view lmdb_state_key = "state";

/// Puts a row of `data` together in `out`.
void lmdb_make_row(std::string& out, std::uint64_t seq, std::int64_t until,
                   std::string_view table_key, std::string_view key,
                   std::string_view encoded);

/// Bytes that an entry takes in all tables, as counted against the bound.
std::uint64_t lmdb_footprint(std::size_t key_size, std::size_t row_size,
                             bool expires, std::size_t tags) noexcept;

/// Takes a row apart. False: it is damaged.
bool lmdb_parse(std::string_view table_key, std::string_view value,
                lmdb_row& out) noexcept;

/// The state of an environment, a fresh one for an empty environment. Throws
/// `unsupported_format` if another version of Terrace wrote it.
lmdb_state lmdb_load_state(lmdb_env& env);

/// True if some entry's time is over.
bool lmdb_expiry_due(lmdb_env& env, std::int64_t now_ms);

/// Entries per tenant.
std::map<tenant_id, std::uint64_t> lmdb_load_counts(lmdb_env& env);

} // namespace terrace
