// Making room in the tree: eviction, expiry, what has been cleared.

#include "tiers/lmdb_tree.hpp"

#include <algorithm>

namespace terrace {

namespace {

/// Entries that leave between two looks at how much is in use.
constexpr std::size_t stride = 16;

/// Entries that the hand may pass for each one that leaves.
constexpr std::size_t passes = 16;

} // namespace

// -- eviction -----------------------------------------------------------------

bool lmdb_tree::evict(std::uint64_t limit, std::size_t budget,
                      std::int64_t now_ms) {
  if (used() <= limit || state_.entries == 0)
    return true;
  if (!hand_) {
    lmdb_cursor meta{txn_.native(), env_.tables().meta};
    hand_.emplace(meta.find(lmdb_hand_key) ? meta.value() : std::string_view{});
  }
  auto& data = at_->data;
  auto more = data.find_at_least(*hand_);
  for (auto left = budget * passes; budget > 0 && left > 0; --left) {
    if (!more)
      more = data.first();
    if (!more) {
      if (state_.entries > 0)
        throw lmdb_fault{{errc::corrupt, "there are fewer rows than counted"}};
      break;
    }
    hand_->assign(data.key());
    if (pass(*hand_, now_ms)) {
      erase_current(*hand_);
      if (--budget % stride == 0 && used() <= limit)
        break;
    }
    more = data.next();
  }
  if (more)
    hand_->assign(data.key());
  else
    hand_->clear();
  return used() <= limit || state_.entries == 0;
}

/// Whether the entry at hand leaves.
bool lmdb_tree::pass(std::string_view table_key, std::int64_t now_ms) {
  lmdb_row row;
  if (!lmdb_parse(table_key, at_->data.value(), row))
    return true; // damaged
  if (row.until != 0 && row.until <= now_ms) {
    ++expired;
    return true;
  }
  if (hidden(table_key, row))
    return true;
  if (!clock_.pass(lmdb_probe{row.key}.hash))
    return false;
  ++evicted;
  return true;
}

bool lmdb_tree::hidden(std::string_view table_key, const lmdb_row& row) const {
  if (totals_.fences().empty())
    return false;
  auto head = codec::peek(row.record);
  return head
         && totals_.fences().hides(table_key, codec::peek_tags(row.record),
                                   head->version);
}

// -- expiry -------------------------------------------------------------------

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

// -- what has been cleared ----------------------------------------------------

std::size_t lmdb_tree::reclaim(std::string& cursor, std::size_t budget) {
  while (budget > 0) {
    auto* first = totals_.fences().first();
    if (!first)
      break;
    auto group = *first;
    budget = group.size() == tenant_prefix_size
               ? reclaim_tenant(group, cursor, budget)
               : reclaim_tag(group, cursor, budget);
    if (budget == 0)
      break;
    cursor.clear();
    totals_.lift(group);
  }
  return budget;
}

std::size_t lmdb_tree::reclaim_tenant(const std::string& group,
                                      std::string& cursor, std::size_t budget) {
  auto& data = at_->data;
  auto up_to = totals_.fences().of(group);
  std::string here;
  auto more = data.find_at_least(std::max(cursor, group));
  for (; more && data.key().starts_with(group); more = data.next(), --budget) {
    here.assign(data.key());
    if (budget == 0) {
      cursor = here;
      return 0;
    }
    lmdb_row row;
    auto head = lmdb_parse(here, data.value(), row)
                  ? codec::peek(row.record)
                  : expected<codec::header>{failure{errc::corrupt, {}}};
    if (!head || head->version <= up_to)
      erase_current(here);
  }
  return std::max<std::size_t>(budget, 1);
}

std::size_t lmdb_tree::reclaim_tag(const std::string& group,
                                   std::string& cursor, std::size_t budget) {
  auto& tags = at_->tags;
  auto up_to = totals_.fences().of(group);
  std::string here;
  std::string table_key;
  auto more = tags.find_at_least(std::max(cursor, group));
  for (; more && tags.key().starts_with(group); --budget) {
    here.assign(tags.key());
    if (budget == 0) {
      cursor = here;
      return 0;
    }
    table_key.assign(here, 0, tenant_prefix_size);
    table_key.append(here, group.size());
    lmdb_row row;
    if (!at_->data.find(table_key)) {
      tags.erase(); // left behind by a damaged entry
      more = tags.next();
      continue;
    }
    auto head = lmdb_parse(table_key, at_->data.value(), row)
                  ? codec::peek(row.record)
                  : expected<codec::header>{failure{errc::corrupt, {}}};
    if (head && head->version > up_to) {
      more = tags.next();
      continue;
    }
    // Takes all of the entry's rows in `tags`, this one among them.
    erase_current(table_key);
    more = tags.find_at_least(here);
    if (more && tags.key() == here) {
      tags.erase(); // of a damaged entry
      more = tags.next();
    }
  }
  return std::max<std::size_t>(budget, 1);
}

bool lmdb_tree::purge(const selector& what, version_t up_to,
                      std::string& cursor, std::size_t budget,
                      std::int64_t now_ms,
                      const std::function<bool(const std::string&)>& newer) {
  auto by_tag = what.what == selector::kind::tag;
  std::string prefix;
  if (by_tag)
    prefix = lmdb_tag_group(what.tenant, what.text);
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

bool lmdb_tree::purge_row(
  const selector& what, version_t up_to, std::string_view table_key,
  std::int64_t now_ms, const std::function<bool(const std::string&)>& newer) {
  lmdb_row row;
  auto live = false;
  if (lmdb_parse(table_key, at_->data.value(), row)) {
    if (auto head = codec::peek(row.record)) {
      auto tags = codec::peek_tags(row.record);
      if (head->version > up_to || !what.matches(row.key, tags))
        return false;
      live = (row.until == 0 || row.until > now_ms)
             && head->version > state_.floor
             && !totals_.fences().hides(table_key, tags, head->version)
             && !(newer && newer(std::string{row.key}));
    }
  }
  erase_current(table_key);
  purged += live ? 1 : 0;
  return true;
}

} // namespace terrace
