// Listing and counting: what the tree holds, seen through what waits for it.

#include "messages/glob.hpp"
#include "tiers/lmdb_store.hpp"

#include <algorithm>
#include <unordered_map>

namespace terrace {

namespace {

/// While commits come faster than that, a count may be off by what they bring.
constexpr int count_tries = 3;

} // namespace

expected<key_page> lmdb_store::list(tenant_id tenant, const std::string& glob,
                                    const std::string& cursor,
                                    std::size_t budget, std::int64_t now_ms) {
  struct pending {
    std::string key;
    bool live;
  };
  budget = std::max<std::size_t>(budget, 1);
  auto literal = qualify(tenant, glob_literal_prefix(glob));
  auto prefix = std::string{lmdb_key_prefix(literal)};
  auto matches = [&glob](std::string_view key) {
    return glob_match(glob, user_key(key));
  };
  // The overlay is looked at first: a key that reaches the tree meanwhile is
  // then seen at least once.
  std::vector<std::pair<std::string, pending>> waiting;
  overlay_.each([&](const lmdb_node& x) {
    auto key = x.key();
    if (!key.starts_with(literal))
      return;
    std::string scratch;
    auto table_key = lmdb_key(key, scratch);
    if (cursor.empty() || table_key > cursor)
      waiting.emplace_back(std::string{table_key},
                           pending{std::string{key}, answer(x, now_ms).hit()});
  });
  std::optional<std::string> bound; // nothing behind it is looked at
  if (waiting.size() > budget) {
    auto nth = waiting.begin() + static_cast<std::ptrdiff_t>(budget) - 1;
    auto before = [](auto& x, auto& y) { return x.first < y.first; };
    std::nth_element(waiting.begin(), nth, waiting.end(), before);
    waiting.resize(budget);
    bound = waiting.back().first;
  }
  std::unordered_map<std::string_view, const pending*> newer;
  for (auto& [table_key, x] : waiting)
    newer.emplace(table_key, &x);
  key_page result;
  try {
    lmdb_read txn{env_};
    lmdb_cursor rows{txn, env_.tables().data};
    auto more = rows.find_at_least(std::max(cursor, prefix));
    if (more && rows.key() == cursor)
      more = rows.next();
    for (std::string here; more && rows.key().starts_with(prefix)
                           && (!bound || rows.key() <= *bound);
         more = rows.next()) {
      if (budget-- == 0) {
        bound = here;
        break;
      }
      here.assign(rows.key());
      lmdb_row row;
      if (newer.count(here) > 0 || !lmdb_parse(here, rows.value(), row)
          || !matches(row.key) || (row.until != 0 && row.until <= now_ms))
        continue;
      auto head = codec::peek(row.record);
      if (head && head->version > floor_.load(std::memory_order_acquire)
          && !hidden(row.key, row.record, head->version))
        result.found.emplace_back(row.key);
    }
  } catch (const lmdb_fault& x) {
    return x.why;
  }
  for (auto& [table_key, x] : waiting)
    if (x.live && matches(x.key) && (!bound || table_key <= *bound))
      result.found.push_back(x.key);
  result.done = !bound;
  result.next = bound.value_or(std::string{});
  return result;
}

// -- counting -----------------------------------------------------------------

/// What the tree counts of a tenant, or of one of its tags, although the
/// overlay has something newer for the key. `records`: gets the number of the
/// tenant's keys for which the overlay has a record.
lmdb_group lmdb_store::shadowed(tenant_id tenant, const std::string* tag,
                                std::int64_t* records) {
  std::vector<std::string> waiting;
  overlay_.each([&](const lmdb_node& x) {
    if (tenant_of(x.key()) != tenant)
      return;
    waiting.emplace_back(x.key());
    if (records && !x.removed)
      ++*records;
  });
  lmdb_group result;
  if (waiting.empty())
    return result;
  std::sort(waiting.begin(), waiting.end()); // neighbours share pages
  std::string scratch;
  std::string_view value;
  lmdb_read txn{env_};
  for (auto& key : waiting) {
    auto table_key = lmdb_key(key, scratch);
    lmdb_row row;
    if (!txn.get(env_.tables().data, table_key, value)
        || !lmdb_parse(table_key, value, row) || row.key != key)
      continue;
    auto head = codec::peek(row.record);
    if (!head || hidden(key, row.record, head->version))
      continue;
    auto tags = codec::peek_tags(row.record);
    if (tag && std::find(tags.begin(), tags.end(), *tag) == tags.end())
      continue;
    ++result.entries;
    result.bytes += lmdb_footprint(table_key.size(), value.size(), row,
                                   tags.size());
  }
  return result;
}

expected<std::uint64_t> lmdb_store::count(tenant_id tenant) {
  try {
    for (auto tries = count_tries;;) {
      auto before = commits_.load();
      std::int64_t result = 0;
      {
        std::lock_guard lock{mutex_};
        if (auto i = tenants_.find(tenant); i != tenants_.end())
          result = static_cast<std::int64_t>(i->second.live_entries());
      }
      if (overlay_.bytes() == 0)
        return static_cast<std::uint64_t>(result);
      auto below = shadowed(tenant, nullptr, &result);
      result -= static_cast<std::int64_t>(below.entries);
      // What was looked at has to belong together.
      if (commits_.load() == before || --tries == 0)
        return static_cast<std::uint64_t>(std::max<std::int64_t>(result, 0));
    }
  } catch (const lmdb_fault& x) {
    return x.why;
  }
}

} // namespace terrace
