#include "tiers/lmdb_rows.hpp"

#include <xxhash.h>

#include <cstring>
#include <limits>

namespace terrace {

namespace {

constexpr std::size_t kept_of_long_key = 470;
constexpr std::size_t long_key_size = kept_of_long_key + 16;

/// In `until` of a row whose value is in chunks.
constexpr std::int64_t large_flag = std::numeric_limits<std::int64_t>::min();

/// What a row takes beside its bytes: LMDB's node header and its slot.
constexpr std::uint64_t node_overhead = 10;
/// Larger rows get pages of their own.
constexpr std::uint64_t largest_inline_row = 2038;
constexpr std::uint64_t page_size = 4096;

static_assert(sizeof(lmdb_state) == 9 * 8, "written to disk as it is");

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

/// Takes integers and bytes off the front of a row.
class reader {
public:
  explicit reader(std::string_view bytes) noexcept : bytes_(bytes) {
    // nop
  }

  template <class T>
  bool read(T& out) noexcept {
    std::string_view part;
    if (!read(sizeof(T), part))
      return false;
    out = load<T>(part.data());
    return true;
  }

  bool read(std::size_t n, std::string_view& out) noexcept {
    if (bytes_.size() < n)
      return false;
    out = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return true;
  }

  std::string_view rest() const noexcept {
    return bytes_;
  }

private:
  std::string_view bytes_;
};

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

std::string lmdb_tag_group(tenant_id tenant, std::string_view tag) {
  auto result = tenant_prefix(tenant);
  append_hash(result, tag);
  return result;
}

// -- rows ---------------------------------------------------------------------

bool lmdb_parse(std::string_view table_key, std::string_view value,
                lmdb_row& out) noexcept {
  reader in{value};
  std::int64_t until = 0;
  if (!in.read(until))
    return false;
  out.until = until & ~large_flag;
  out.key = table_key;
  if (std::uint32_t size = 0; table_key.size() == long_key_size
                              && !(in.read(size) && in.read(size, out.key)))
    return false;
  out.run = 0;
  out.rest = 0;
  if ((until & large_flag) != 0 && !(in.read(out.run) && in.read(out.rest)))
    return false;
  out.record = in.rest();
  return true;
}

void lmdb_make_row(std::string& out, std::string_view table_key,
                   const lmdb_row& x) {
  out.clear();
  append(out, x.run != 0 ? x.until | large_flag : x.until);
  if (table_key.size() == long_key_size) {
    append(out, static_cast<std::uint32_t>(x.key.size()));
    out += x.key;
  }
  if (x.run != 0) {
    append(out, x.run);
    append(out, x.rest);
  }
  out += x.record;
}

std::uint64_t lmdb_footprint(std::size_t key_size, std::size_t row_size,
                             const lmdb_row& x, std::size_t tags) noexcept {
  auto pages = [](std::uint64_t size) {
    return (size + 16 + page_size - 1) / page_size * page_size;
  };
  std::uint64_t result = node_overhead + key_size;
  if (key_size + row_size + node_overhead <= largest_inline_row)
    result += row_size;
  else
    result += pages(row_size);
  auto whole = x.rest / lmdb_chunk_size;
  result += whole * (pages(lmdb_chunk_size) + node_overhead + 16);
  if (auto last = x.rest % lmdb_chunk_size; last != 0)
    result += pages(last) + node_overhead + 16;
  auto index_row = node_overhead + 8 + key_size;
  if (x.until != 0)
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

} // namespace terrace
