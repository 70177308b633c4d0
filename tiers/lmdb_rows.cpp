#include "tiers/lmdb_rows.hpp"

#include <xxhash.h>

#include <cstring>

namespace terrace {

namespace {

constexpr std::size_t kept_of_long_key = 470;
constexpr std::size_t long_key_size = kept_of_long_key + 16;
constexpr std::size_t row_prefix_size = 16;
constexpr char count_prefix = 'n';

/// What a row takes beside its bytes: LMDB's node header and its slot.
constexpr std::uint64_t node_overhead = 10;
/// Larger rows get pages of their own.
constexpr std::uint64_t largest_inline_row = 2038;
constexpr std::uint64_t page_size = 4096;

static_assert(sizeof(lmdb_state) == 7 * 8, "written to disk as it is");

template <class T>
T load(const char* from) noexcept {
  T result;
  std::memcpy(&result, from, sizeof(T));
  return result;
}

template <class T>
void append(std::string& out, T x) {
  char buf[sizeof(T)];
  std::memcpy(buf, &x, sizeof(T));
  out.append(buf, sizeof(T));
}

void append_big_endian(std::string& out, std::uint64_t x) {
  for (int shift = 56; shift >= 0; shift -= 8)
    out += static_cast<char>(x >> shift);
}

void append_hash(std::string& out, std::string_view x) {
  auto hash = XXH3_128bits(x.data(), x.size());
  append_big_endian(out, hash.high64);
  append_big_endian(out, hash.low64);
}

} // namespace

// -- keys ---------------------------------------------------------------------

std::string_view lmdb_key(std::string_view key, std::string& scratch) {
  if (key.size() < long_key_size)
    return key;
  scratch.assign(key.substr(0, kept_of_long_key));
  append_hash(scratch, key);
  return scratch;
}

std::string_view lmdb_key_prefix(std::string_view prefix) noexcept {
  return prefix.substr(0, kept_of_long_key);
}

void lmdb_expiry_key(std::string& out, std::int64_t until,
                     std::string_view table_key) {
  out.clear();
  append_big_endian(out, static_cast<std::uint64_t>(until));
  out += table_key;
}

std::int64_t lmdb_until_of(std::string_view expiry_key) noexcept {
  std::uint64_t result = 0;
  for (auto c : expiry_key.substr(0, 8))
    result = result << 8 | static_cast<unsigned char>(c);
  return static_cast<std::int64_t>(result);
}

void lmdb_tag_key(std::string& out, std::string_view table_key,
                  std::string_view tag) {
  out.assign(table_key.substr(0, tenant_prefix_size));
  append_hash(out, tag);
  out += table_key.substr(tenant_prefix_size);
}

std::string lmdb_count_key(tenant_id tenant) {
  return count_prefix + tenant_prefix(tenant);
}

// -- rows ---------------------------------------------------------------------

bool lmdb_parse(std::string_view table_key, std::string_view value,
                lmdb_row& out) noexcept {
  if (value.size() < row_prefix_size)
    return false;
  out.seq = load<std::uint64_t>(value.data());
  out.until = load<std::int64_t>(value.data() + 8);
  value.remove_prefix(row_prefix_size);
  out.key = table_key;
  if (table_key.size() == long_key_size) {
    if (value.size() < sizeof(std::uint32_t))
      return false;
    auto size = load<std::uint32_t>(value.data());
    value.remove_prefix(sizeof(std::uint32_t));
    if (value.size() < size)
      return false;
    out.key = value.substr(0, size);
    value.remove_prefix(size);
  }
  out.record = value;
  return true;
}

void lmdb_make_row(std::string& out, std::uint64_t seq, std::int64_t until,
                   std::string_view table_key, std::string_view key,
                   std::string_view encoded) {
  out.clear();
  append(out, seq);
  append(out, until);
  if (table_key.size() == long_key_size) {
    append(out, static_cast<std::uint32_t>(key.size()));
    out += key;
  }
  out += encoded;
}

std::uint64_t lmdb_footprint(std::size_t key_size, std::size_t row_size,
                             bool expires, std::size_t tags) noexcept {
  std::uint64_t result = node_overhead + key_size;
  if (key_size + row_size + node_overhead <= largest_inline_row)
    result += row_size;
  else
    result += (row_size + 16 + page_size - 1) / page_size * page_size;
  auto index_row = node_overhead + 8 + key_size;
  result += index_row;
  if (expires)
    result += index_row;
  return result + tags * (index_row + 8);
}

// -- totals -------------------------------------------------------------------

lmdb_state lmdb_load_state(lmdb_env& env) {
  lmdb_read txn{env};
  std::string_view bytes;
  lmdb_state result;
  if (!txn.get(env.tables().meta, lmdb_state_key, bytes))
    return result;
  if (bytes.size() >= 8)
    result.format = load<std::uint64_t>(bytes.data());
  if (bytes.size() != sizeof(result)
      || result.format != lmdb_state::current_format)
    throw lmdb_fault{{errc::unsupported_format,
                      "disk format " + std::to_string(result.format)
                        + ", this node reads "
                        + std::to_string(lmdb_state::current_format)}};
  std::memcpy(&result, bytes.data(), sizeof(result));
  result.filling &= 1;
  return result;
}

bool lmdb_expiry_due(lmdb_env& env, std::int64_t now_ms) {
  lmdb_read txn{env};
  lmdb_cursor rows{txn.native(), env.tables().expiry};
  return rows.first() && lmdb_until_of(rows.key()) <= now_ms;
}

std::map<tenant_id, std::uint64_t> lmdb_load_counts(lmdb_env& env) {
  std::map<tenant_id, std::uint64_t> result;
  lmdb_read txn{env};
  lmdb_cursor rows{txn.native(), env.tables().meta};
  std::string first(1, count_prefix);
  for (auto more = rows.find_at_least(first);
       more && rows.key().front() == count_prefix; more = rows.next())
    if (rows.key().size() == 3 && rows.value().size() == 8)
      result[tenant_of(rows.key().substr(1))]
        = load<std::uint64_t>(rows.value().data());
  return result;
}

} // namespace terrace
