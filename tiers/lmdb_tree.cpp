#include "tiers/lmdb_tree.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace terrace {

namespace {

constexpr std::size_t kept_of_long_key = 470;
constexpr std::size_t long_key_size = kept_of_long_key + 16;
constexpr std::size_t row_prefix_size = 16;
constexpr std::string_view state_key = "state";
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

std::uint64_t load_big_endian(std::string_view x) noexcept {
  std::uint64_t result = 0;
  for (std::size_t i = 0; i < 8; ++i)
    result = result << 8 | static_cast<unsigned char>(x[i]);
  return result;
}

void append_hash(std::string& out, std::string_view x) {
  auto hash = XXH3_128bits(x.data(), x.size());
  append_big_endian(out, hash.high64);
  append_big_endian(out, hash.low64);
}

std::string count_key(tenant_id tenant) {
  return count_prefix + tenant_prefix(tenant);
}

/// Bytes that an entry takes in all tables, as counted against the bound.
std::uint64_t footprint(std::size_t key_size, std::size_t row_size,
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

void make_expiry_key(std::string& out, std::int64_t until,
                     std::string_view table_key) {
  out.clear();
  append_big_endian(out, static_cast<std::uint64_t>(until));
  out += table_key;
}

void make_tag_key(std::string& out, std::string_view table_key,
                  std::string_view tag) {
  out.assign(table_key.substr(0, tenant_prefix_size));
  append_hash(out, tag);
  out += table_key.substr(tenant_prefix_size);
}

} // namespace

// -- rows ---------------------------------------------------------------------

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

lmdb_state lmdb_load_state(lmdb_env& env) {
  lmdb_read txn{env};
  std::string_view bytes;
  lmdb_state result;
  if (!txn.get(env.tables().meta, state_key, bytes))
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
  return rows.first() && rows.key().size() >= 8
         && static_cast<std::int64_t>(load_big_endian(rows.key())) <= now_ms;
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

// -- constructors -------------------------------------------------------------

lmdb_tree::cursors::cursors(MDB_txn* txn, const lmdb_tables& tables)
  : data(txn, tables.data),
    order(txn, tables.order),
    expiry(txn, tables.expiry),
    tags(txn, tables.tags) {
  // nop
}

lmdb_tree::lmdb_tree(lmdb_env& env, const lmdb_state& state)
  : env_(env), state_(state), txn_(env.native()) {
  at_.emplace(txn_.native(), env.tables());
}

// -- changing -----------------------------------------------------------------

void lmdb_tree::put(std::string_view key, const record& x,
                    std::string_view encoded, std::int64_t until) {
  auto table_key = lmdb_key(key, key_buf_);
  auto seq = state_.next_seq;
  row_buf_.clear();
  append(row_buf_, seq);
  append(row_buf_, until);
  if (table_key.size() == long_key_size) {
    append(row_buf_, static_cast<std::uint32_t>(key.size()));
    row_buf_ += key;
  }
  row_buf_ += encoded;
  auto& data = at_->data;
  if (!data.insert(table_key, row_buf_)) {
    lmdb_row old;
    if (lmdb_parse(table_key, data.value(), old)) {
      auto head = codec::peek(old.record);
      if (head && head->version > x.version && old.key == key)
        return;
    }
    drop_indexes(table_key, data.value());
    data.replace(table_key, row_buf_);
  }
  ++state_.next_seq;
  state_.max_version = std::max(state_.max_version, x.version);
  add_indexes(table_key, row_buf_.size(), x, seq, until);
}

void lmdb_tree::remove(std::string_view key, version_t version) {
  auto table_key = lmdb_key(key, key_buf_);
  if (!at_->data.find(table_key))
    return;
  lmdb_row old;
  if (lmdb_parse(table_key, at_->data.value(), old)) {
    auto head = codec::peek(old.record);
    if (head && (head->version > version || old.key != key))
      return;
  }
  erase_current(table_key);
}

void lmdb_tree::discard(std::string_view key, std::uint64_t seq) {
  auto table_key = lmdb_key(key, key_buf_);
  lmdb_row row;
  if (at_->data.find(table_key)
      && (!lmdb_parse(table_key, at_->data.value(), row) || row.seq == seq))
    erase_current(table_key);
}

bool lmdb_tree::evict(std::uint64_t limit, std::size_t budget,
                      std::int64_t now_ms) {
  auto& order = at_->order;
  std::string table_key;
  for (; state_.bytes > limit && order.first(); --budget) {
    if (budget == 0)
      return false;
    auto seq = load<std::uint64_t>(order.key().data());
    table_key.assign(order.value());
    lmdb_row row;
    // A row of `order` without its entry comes from a damaged entry.
    if (!at_->data.find(table_key)
        || !lmdb_parse(table_key, at_->data.value(), row) || row.seq != seq) {
      order.erase();
      continue;
    }
    ++(row.until != 0 && row.until <= now_ms ? expired : evicted);
    erase_current(table_key);
  }
  return true;
}

std::size_t lmdb_tree::expire(std::size_t budget, std::int64_t now_ms) {
  auto& expiry = at_->expiry;
  std::string table_key;
  for (; budget > 0 && expiry.first(); --budget) {
    auto until = static_cast<std::int64_t>(load_big_endian(expiry.key()));
    if (until > now_ms)
      break;
    table_key.assign(expiry.key().substr(8));
    lmdb_row row;
    if (at_->data.find(table_key)
        && lmdb_parse(table_key, at_->data.value(), row)
        && row.until == until) {
      erase_current(table_key);
      ++expired;
    } else {
      expiry.erase(); // left behind by a damaged entry
    }
  }
  return budget;
}

bool lmdb_tree::purge(const selector& what, version_t up_to,
                      std::string& cursor, std::size_t budget,
                      std::int64_t now_ms,
                      const std::function<bool(const std::string&)>& newer) {
  auto by_tag = what.what == selector::kind::tag;
  std::string prefix;
  if (by_tag)
    make_tag_key(prefix, tenant_prefix(what.tenant), what.text);
  else
    prefix = lmdb_key_prefix(what.key_prefix());
  auto& rows = by_tag ? at_->tags : at_->data;
  std::string here;
  std::string table_key;
  auto more = rows.find_at_least(cursor.empty() ? prefix : cursor);
  for (; more && rows.key().starts_with(prefix); --budget) {
    here.assign(rows.key());
    if (budget == 0) {
      cursor = here;
      return false;
    }
    table_key = here;
    if (by_tag) {
      table_key.replace(0, prefix.size(), tenant_prefix(what.tenant));
      if (!at_->data.find(table_key)) {
        rows.erase(); // left behind by a damaged entry
        more = rows.next();
        continue;
      }
    }
    // Deleting an entry moves the cursor of `tags` to that entry's last tag.
    auto erased = purge_row(what, up_to, table_key, now_ms, newer);
    more = erased && by_tag ? rows.find_at_least(here) : rows.next();
  }
  return true;
}

void lmdb_tree::commit() {
  {
    lmdb_cursor meta{txn_.native(), env_.tables().meta};
    auto save = [&meta](std::string_view key, std::string_view value) {
      if (!meta.insert(key, value))
        meta.replace(key, value);
    };
    for (auto& [tenant, change] : counts_) {
      auto key = count_key(tenant);
      std::uint64_t n = 0;
      if (meta.find(key) && meta.value().size() == sizeof(n))
        n = load<std::uint64_t>(meta.value().data());
      n = change < 0 && n < static_cast<std::uint64_t>(-change)
            ? 0
            : n + static_cast<std::uint64_t>(change);
      save(key, lmdb_integer(n));
    }
    save(state_key, {reinterpret_cast<const char*>(&state_), sizeof(state_)});
  }
  at_.reset();
  txn_.commit();
}

// -- details ------------------------------------------------------------------

void lmdb_tree::add_indexes(std::string_view table_key, std::size_t row_size,
                            const record& x, std::uint64_t seq,
                            std::int64_t until) {
  at_->order.append(lmdb_integer(seq), table_key);
  if (until != 0) {
    make_expiry_key(index_buf_, until, table_key);
    at_->expiry.insert(index_buf_, {});
  }
  for (auto& tag : x.tags) {
    make_tag_key(index_buf_, table_key, tag);
    at_->tags.insert(index_buf_, {});
  }
  ++state_.entries;
  ++counts_[tenant_of(table_key)];
  state_.bytes += footprint(table_key.size(), row_size, until != 0,
                            x.tags.size());
}

void lmdb_tree::drop_indexes(std::string_view table_key,
                             std::string_view value) {
  lmdb_row row;
  std::size_t tags = 0;
  auto row_size = value.size();
  if (lmdb_parse(table_key, value, row)) {
    auto names = codec::peek_tags(row.record); // `value` ends with a change
    tags = names.size();
    if (at_->order.find(lmdb_integer(row.seq)))
      at_->order.erase();
    if (row.until != 0) {
      make_expiry_key(index_buf_, row.until, table_key);
      if (at_->expiry.find(index_buf_))
        at_->expiry.erase();
    }
    for (auto& tag : names) {
      make_tag_key(index_buf_, table_key, tag);
      if (at_->tags.find(index_buf_))
        at_->tags.erase();
    }
  }
  // Damage in a row may make it look smaller or larger than what was counted.
  auto size = footprint(table_key.size(), row_size, row.until != 0, tags);
  state_.bytes -= std::min(state_.bytes, size);
  state_.entries -= std::min<std::uint64_t>(state_.entries, 1);
  --counts_[tenant_of(table_key)];
}

void lmdb_tree::erase_current(std::string_view table_key) {
  drop_indexes(table_key, at_->data.value());
  at_->data.erase();
}

bool lmdb_tree::purge_row(
  const selector& what, version_t up_to, std::string_view table_key,
  std::int64_t now_ms, const std::function<bool(const std::string&)>& newer) {
  lmdb_row row;
  auto live = false;
  if (lmdb_parse(table_key, at_->data.value(), row)) {
    if (auto head = codec::peek(row.record)) {
      if (head->version > up_to
          || !what.matches(row.key, codec::peek_tags(row.record)))
        return false;
      live = (row.until == 0 || row.until > now_ms)
             && head->version > state_.floor
             && !(newer && newer(std::string{row.key}));
    }
  }
  erase_current(table_key);
  purged += live ? 1 : 0;
  return true;
}

} // namespace terrace
