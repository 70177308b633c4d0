#include "tiers/lmdb_tree.hpp"

#include <algorithm>
#include <cstring>

namespace terrace {

namespace {

std::uint64_t to_integer(std::string_view x) noexcept {
  std::uint64_t result = 0;
  std::memcpy(&result, x.data(), std::min(x.size(), sizeof(result)));
  return result;
}

} // namespace

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
  if (at_->order.first())
    middle_ = (to_integer(at_->order.key()) + state.next_seq) / 2;
}

// -- changing -----------------------------------------------------------------

void lmdb_tree::put(std::string_view key, const record& x,
                    std::string_view encoded, std::int64_t until) {
  auto table_key = lmdb_key(key, key_buf_);
  auto seq = state_.next_seq;
  lmdb_make_row(row_buf_, seq, until, table_key, key, encoded);
  auto& data = at_->data;
  auto keeps_place = false;
  if (!data.insert(table_key, row_buf_)) {
    lmdb_row old;
    if (lmdb_parse(table_key, data.value(), old)) {
      auto head = codec::peek(old.record);
      if (head && head->version > x.version && old.key == key)
        return;
      keeps_place = head && old.seq >= middle_ && old.seq < seq;
    }
    if (keeps_place)
      std::memcpy(row_buf_.data(), &old.seq, sizeof(old.seq));
    drop_indexes(table_key, data.value(), keeps_place);
    data.replace(table_key, row_buf_);
  }
  if (!keeps_place) {
    at_->order.append(lmdb_integer(seq), table_key);
    ++state_.next_seq;
  }
  state_.max_version = std::max(state_.max_version, x.version);
  add_indexes(table_key, row_buf_.size(), x, until);
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
    auto seq = to_integer(order.key());
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
    auto until = lmdb_until_of(expiry.key());
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
    lmdb_tag_key(prefix, tenant_prefix(what.tenant), what.text);
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
      auto key = lmdb_count_key(tenant);
      std::uint64_t n = 0;
      if (meta.find(key) && meta.value().size() == sizeof(n))
        n = to_integer(meta.value());
      n = change < 0 && n < static_cast<std::uint64_t>(-change)
            ? 0
            : n + static_cast<std::uint64_t>(change);
      save(key, lmdb_integer(n));
    }
    save(lmdb_state_key,
         {reinterpret_cast<const char*>(&state_), sizeof(state_)});
  }
  at_.reset();
  txn_.commit();
}

// -- details ------------------------------------------------------------------

void lmdb_tree::add_indexes(std::string_view table_key, std::size_t row_size,
                            const record& x, std::int64_t until) {
  if (until != 0) {
    lmdb_expiry_key(index_buf_, until, table_key);
    at_->expiry.insert(index_buf_, {});
  }
  for (auto& tag : x.tags) {
    lmdb_tag_key(index_buf_, table_key, tag);
    at_->tags.insert(index_buf_, {});
  }
  ++state_.entries;
  ++counts_[tenant_of(table_key)];
  state_.bytes += lmdb_footprint(table_key.size(), row_size, until != 0,
                                 x.tags.size());
}

void lmdb_tree::drop_indexes(std::string_view table_key, std::string_view value,
                             bool keep_order) {
  lmdb_row row;
  std::size_t tags = 0;
  auto row_size = value.size();
  if (lmdb_parse(table_key, value, row)) {
    auto names = codec::peek_tags(row.record); // `value` ends with a change
    tags = names.size();
    if (!keep_order && at_->order.find(lmdb_integer(row.seq)))
      at_->order.erase();
    if (row.until != 0) {
      lmdb_expiry_key(index_buf_, row.until, table_key);
      if (at_->expiry.find(index_buf_))
        at_->expiry.erase();
    }
    for (auto& tag : names) {
      lmdb_tag_key(index_buf_, table_key, tag);
      if (at_->tags.find(index_buf_))
        at_->tags.erase();
    }
  }
  // Damage in a row may make it look smaller or larger than what was counted.
  auto size = lmdb_footprint(table_key.size(), row_size, row.until != 0, tags);
  state_.bytes -= std::min(state_.bytes, size);
  state_.entries -= std::min<std::uint64_t>(state_.entries, 1);
  --counts_[tenant_of(table_key)];
}

void lmdb_tree::erase_current(std::string_view table_key) {
  drop_indexes(table_key, at_->data.value(), false);
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
