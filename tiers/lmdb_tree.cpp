#include "tiers/lmdb_tree.hpp"

#include <xxhash.h>

#include <algorithm>

namespace terrace {

// -- constructors -------------------------------------------------------------

lmdb_tree::cursors::cursors(MDB_txn* txn, const lmdb_tables& tables)
  : data(txn, tables.data),
    chunks(txn, tables.chunks),
    expiry(txn, tables.expiry),
    tags(txn, tables.tags) {
  // nop
}

lmdb_tree::lmdb_tree(lmdb_env& env, const lmdb_state& state,
                     const lmdb_fences& fences, lmdb_clock& clock)
  : env_(env),
    state_(state),
    clock_(clock),
    txn_(env.native()),
    totals_(env, txn_.native(), state_, fences) {
  at_.emplace(txn_.native(), env.tables());
}

// -- changing -----------------------------------------------------------------

void lmdb_tree::put(std::string_view key, const record& x,
                    std::string_view encoded, std::int64_t until) {
  auto table_key = lmdb_key(key, key_buf_);
  auto& data = at_->data;
  lmdb_row row;
  row.until = until;
  row.key = key;
  row.record = encoded;
  if (encoded.size() >= lmdb_large_record) {
    if (data.find(table_key) && newer(table_key, key, x.version))
      return;
    add_chunks(row);
  }
  lmdb_make_row(row_buf_, table_key, row);
  if (!data.insert(table_key, row_buf_)) {
    if (newer(table_key, key, x.version))
      return;
    drop_indexes(table_key, data.value());
    data.replace(table_key, row_buf_);
  }
  state_.max_version = std::max(state_.max_version, x.version);
  clock_.admit(lmdb_probe{key}.hash);
  add_indexes(table_key, row_buf_.size(), row, x);
}

void lmdb_tree::remove(std::string_view key, version_t version) {
  auto table_key = lmdb_key(key, key_buf_);
  if (at_->data.find(table_key) && !newer(table_key, key, version)
      && !other(table_key, key))
    erase_current(table_key);
}

void lmdb_tree::discard(std::string_view key, std::uint64_t print) {
  auto table_key = lmdb_key(key, key_buf_);
  if (at_->data.find(table_key) && fingerprint(at_->data.value()) == print)
    erase_current(table_key);
}

std::uint64_t lmdb_tree::fingerprint(std::string_view value) noexcept {
  return XXH3_64bits(value.data(), value.size());
}

void lmdb_tree::commit() {
  totals_.save();
  lmdb_save_uses(txn_, env_.tables(), uses_);
  {
    lmdb_cursor meta{txn_.native(), env_.tables().meta};
    auto save = [&meta](std::string_view key, std::string_view value) {
      if (!meta.insert(key, value))
        meta.replace(key, value);
    };
    save(lmdb_state_key,
         {reinterpret_cast<const char*>(&state_), sizeof(state_)});
    if (hand_)
      save(lmdb_hand_key, *hand_);
  }
  used_at_commit = used();
  at_.reset();
  txn_.commit();
}

// -- details ------------------------------------------------------------------

/// Whether the row at hand is of `key` and newer than `version`.
bool lmdb_tree::newer(std::string_view table_key, std::string_view key,
                      version_t version) const {
  lmdb_row row;
  if (!lmdb_parse(table_key, at_->data.value(), row) || row.key != key)
    return false;
  auto head = codec::peek(row.record);
  return head && head->version > version;
}

/// Whether the row at hand is of another long key that begins alike.
bool lmdb_tree::other(std::string_view table_key, std::string_view key) const {
  lmdb_row row;
  return lmdb_parse(table_key, at_->data.value(), row) && row.key != key;
}

/// Moves the value of a record into chunks; header and tags stay in `row`.
void lmdb_tree::add_chunks(lmdb_row& row) {
  auto head = codec::head_size(row.record);
  auto rest = row.record.substr(head);
  row.record = row.record.substr(0, head);
  row.run = state_.next_run++;
  row.rest = static_cast<std::uint32_t>(rest.size());
  for (std::uint64_t i = 0; !rest.empty(); ++i) {
    auto key = lmdb_chunk_key(row.run, i);
    auto part = rest.substr(0, lmdb_chunk_size);
    at_->chunks.append(lmdb_integer(key), part); // runs are only ever appended
    rest.remove_prefix(part.size());
  }
}

void lmdb_tree::drop_chunks(const lmdb_row& row) {
  auto n = (row.rest + lmdb_chunk_size - 1) / lmdb_chunk_size;
  for (std::uint64_t i = 0; i < n; ++i) {
    auto key = lmdb_chunk_key(row.run, i);
    if (at_->chunks.find(lmdb_integer(key)))
      at_->chunks.erase();
  }
}

void lmdb_tree::add_indexes(std::string_view table_key, std::size_t row_size,
                            const lmdb_row& row, const record& x) {
  if (row.until != 0) {
    lmdb_expiry_key(index_buf_, row.until, table_key);
    at_->expiry.insert(index_buf_, {});
  }
  for (auto& tag : x.tags) {
    lmdb_tag_key(index_buf_, table_key, tag);
    at_->tags.insert(index_buf_, {});
  }
  if (auto id = codec::dictionary_of(row.record); id != 0)
    ++uses_[id];
  totals_.add(table_key, x.tags, x.version,
              lmdb_footprint(table_key.size(), row_size, row, x.tags.size()));
}

void lmdb_tree::drop_indexes(std::string_view table_key,
                             std::string_view value) {
  lmdb_row row;
  auto row_size = value.size();
  auto whole = lmdb_parse(table_key, value, row);
  auto head = codec::peek(row.record);
  if (!whole || !head) {
    // Damage in a row may make it look smaller or larger than what was counted.
    totals_.drop(table_key, lmdb_footprint(table_key.size(), row_size, {}, 0));
    return;
  }
  auto version = head->version;
  if (auto id = codec::dictionary_of(row.record); id != 0)
    --uses_[id];
  auto tags = codec::peek_tags(row.record); // `value` ends with a change
  drop_chunks(row);
  if (row.until != 0) {
    lmdb_expiry_key(index_buf_, row.until, table_key);
    if (at_->expiry.find(index_buf_))
      at_->expiry.erase();
  }
  for (auto& tag : tags) {
    lmdb_tag_key(index_buf_, table_key, tag);
    if (at_->tags.find(index_buf_))
      at_->tags.erase();
  }
  totals_.drop(table_key, tags, version,
               lmdb_footprint(table_key.size(), row_size, row, tags.size()));
}

void lmdb_tree::erase_current(std::string_view table_key) {
  drop_indexes(table_key, at_->data.value());
  at_->data.erase();
}

} // namespace terrace
