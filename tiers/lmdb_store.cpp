#include "tiers/lmdb_store.hpp"

#include "messages/glob.hpp"
#include "tiers/lmdb_journal.hpp"

#include <algorithm>
#include <new>
#include <unordered_map>

namespace terrace {

namespace {

/// Address space, not space on disk. Pages are two thirds full, a commit needs
/// room for new copies of pages, and the journals hold what waits.
std::uint64_t map_size(const disk_options& opts) noexcept {
  return 4 * (opts.max_size + opts.max_pending_size) + (1ull << 30);
}

constexpr std::size_t count_sample = 4096;

template <class T>
keys keys_of(std::span<const T> xs) {
  keys result;
  result.reserve(xs.size());
  for (auto& x : xs)
    result.push_back(x.key);
  return result;
}

failure out_of_memory() {
  return {errc::no_space, "not enough memory"};
}

} // namespace

// -- constructors -------------------------------------------------------------

expected<std::unique_ptr<lmdb_store>>
lmdb_store::open(const disk_options& opts,
                 const compression_options& compression,
                 const std::string& path) {
  try {
    return std::unique_ptr<lmdb_store>{new lmdb_store(opts, compression, path)};
  } catch (const lmdb_fault& x) {
    return x.why;
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

lmdb_store::lmdb_store(const disk_options& opts,
                       const compression_options& compression,
                       const std::string& path)
  : opts_(opts),
    codec_(compression),
    path_(path),
    env_(path, map_size(opts)),
    slice_limit_(lmdb_max_slice),
    state_(lmdb_load_state(env_)),
    counts_(lmdb_load_counts(env_)),
    limit_(opts.max_size) {
  max_version_ = state_.max_version;
  floor_ = state_.floor;
  // The journal that takes no new changes any more is the older one, and was
  // being merged.
  std::uint64_t damaged = 0;
  auto& journals = env_.tables().journal;
  lmdb_read_journal(env_, journals[state_.filling ^ 1], codec_,
                    [this, &damaged](lmdb_replay&& x) {
                      damaged += x.damaged ? 1 : 0;
                      overlay_.restore(std::move(x), true);
                    });
  lmdb_read_journal(env_, journals[state_.filling], codec_,
                    [this, &damaged](lmdb_replay&& x) {
                      damaged += x.damaged ? 1 : 0;
                      journal_bytes_ += x.key.size() + x.data.value.size();
                      overlay_.restore(std::move(x), false);
                    });
  if (!overlay_.merging().empty())
    run_.emplace(overlay_.merging());
  quarantined_ = damaged;
}

// -- looking up ---------------------------------------------------------------

lookup lmdb_store::answer(const record& x, lmdb_overlay::state what,
                          std::int64_t now_ms) const {
  if (what == lmdb_overlay::state::removed || x.expired(now_ms)
      || x.version <= floor_.load(std::memory_order_acquire)) {
    auto result = lookup::missed();
    if (what != lmdb_overlay::state::removed)
      result.data.version = x.version;
    return result;
  }
  return lookup::found(x, tier_kind::disk);
}

lookup lmdb_store::answer(const lmdb_node& x, std::int64_t now_ms) const {
  return answer(x.data,
                x.removed ? lmdb_overlay::state::removed
                          : lmdb_overlay::state::record,
                now_ms);
}

lookup lmdb_store::read(lmdb_read& txn, const std::string& key,
                        std::int64_t now_ms, bool with_value) {
  std::string scratch;
  auto table_key = lmdb_key(key, scratch);
  std::string_view value;
  if (!is_qualified(key) || !txn.get(env_.tables().data, table_key, value))
    return lookup::missed();
  auto result = lookup::missed();
  lmdb_row row;
  if (!lmdb_parse(table_key, value, row)) {
    std::lock_guard lock{mutex_};
    quarantine_.emplace_back(key, row.seq);
    return lookup::failed(errc::corrupt);
  }
  if (row.key != key)
    return result;
  auto head = codec::peek(row.record);
  if (head && (row.until != 0 || head->expires_ms != 0)) {
    auto gone = [now_ms](std::int64_t x) { return x != 0 && x <= now_ms; };
    if (gone(row.until) || gone(head->expires_ms)) {
      result.data.version = head->version;
      return result;
    }
  }
  if (head && !with_value) {
    record x;
    x.version = head->version;
    x.expires_ms = head->expires_ms;
    return answer(x, lmdb_overlay::state::record, now_ms);
  }
  auto data = codec_.decode(key, row.record);
  if (data)
    return answer(*data, lmdb_overlay::state::record, now_ms);
  if (data.error().code == errc::corrupt) {
    std::lock_guard lock{mutex_};
    quarantine_.emplace_back(key, row.seq);
  }
  return lookup::failed(data.error().code);
}

lookups lmdb_store::look_up(std::span<const std::string> xs,
                            std::int64_t now_ms, bool with_value) {
  lookups result(xs.size());
  std::vector<std::size_t> rest;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    record x;
    auto what = overlay_.find(xs[i], x);
    if (what == lmdb_overlay::state::unknown)
      rest.push_back(i);
    else
      result[i] = answer(x, what, now_ms);
  }
  if (rest.empty())
    return result;
  std::size_t done = 0;
  try {
    lmdb_read txn{env_};
    for (; done < rest.size(); ++done)
      result[rest[done]] = read(txn, xs[rest[done]], now_ms, with_value);
  } catch (const lmdb_fault& x) {
    for (; done < rest.size(); ++done)
      result[rest[done]] = lookup::failed(x.why.code);
  }
  return result;
}

lookups lmdb_store::fetch(std::span<const std::string> xs,
                          std::int64_t now_ms) {
  return look_up(xs, now_ms, true);
}

lookups lmdb_store::probe(std::span<const std::string> xs,
                          std::int64_t now_ms) {
  return look_up(xs, now_ms, false);
}

// -- store --------------------------------------------------------------------

store_report lmdb_store::put(std::span<const entry> xs, bool if_absent,
                             std::int64_t now_ms) {
  store_report result;
  if (!try_stage(xs, if_absent, now_ms, result)) {
    result = stage(xs, if_absent, probe(keys_of(xs), now_ms), now_ms);
  }
  if (auto ok = flush(now_ms); !ok) {
    result.failed += std::exchange(result.stored, 0);
    if (!result.why)
      result.why = ok.error();
  }
  return result;
}

remove_report lmdb_store::remove(std::span<const removal> xs,
                                 std::int64_t now_ms) {
  remove_report result;
  if (!try_stage(xs, now_ms, result)) {
    result = stage(xs, probe(keys_of(xs), now_ms), now_ms);
  }
  if (auto ok = flush(now_ms); !ok) {
    result.existed.assign(xs.size(), false);
    if (!result.why)
      result.why = ok.error();
  }
  return result;
}

expected<std::uint64_t> lmdb_store::purge(const selector& what, version_t up_to,
                                          std::int64_t now_ms) {
  lmdb_purge walk;
  walk.what = what;
  walk.up_to = up_to;
  for (;;) {
    auto done = purge_some(walk, now_ms);
    if (!done)
      return done.error();
    if (*done)
      break;
  }
  if (auto ok = flush(now_ms); !ok)
    return ok.error();
  return walk.purged;
}

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
    lmdb_cursor rows{txn.native(), env_.tables().data};
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
      if (head && head->version > floor_.load(std::memory_order_acquire))
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

expected<std::uint64_t> lmdb_store::count(tenant_id tenant) {
  std::uint64_t result = 0;
  {
    std::lock_guard lock{mutex_};
    if (auto i = counts_.find(tenant); i != counts_.end())
      result = i->second;
  }
  auto pending = overlay_.stats().entries;
  if (pending == 0)
    return result;
  auto stride = pending / count_sample + 1;
  std::uint64_t turn = 0;
  std::vector<std::pair<std::string, bool>> sample; // key, is a record
  overlay_.each([&](const lmdb_node& x) {
    if (tenant_of(x.key()) == tenant && turn++ % stride == 0)
      sample.emplace_back(x.key(), !x.removed);
  });
  std::int64_t change = 0;
  try {
    lmdb_read txn{env_};
    std::string scratch;
    std::string_view row;
    for (auto& [key, is_record] : sample)
      change += static_cast<int>(is_record)
                - txn.get(env_.tables().data, lmdb_key(key, scratch), row);
  } catch (const lmdb_fault& x) {
    return x.why;
  }
  change *= static_cast<std::int64_t>(stride);
  auto total = static_cast<std::int64_t>(result) + change;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(total, 0));
}

void lmdb_store::describe(tier_status& out) {
  out.tier = tier_kind::disk;
  out.capacity_bytes = limit_;
  out.evictions = evictions_;
  out.expirations = expirations_;
  {
    std::lock_guard lock{mutex_};
    out.entries = state_.entries;
    out.bytes = state_.bytes;
  }
  auto sizes = overlay_.stats();
  auto coded = codec_.stats();
  auto& extra = out.extra;
  extra["pending_entries"] = sizes.staged_entries;
  extra["pending_bytes"] = sizes.staged_bytes;
  extra["journal_entries"] = sizes.entries - sizes.staged_entries;
  extra["journal_bytes"] = sizes.bytes - sizes.staged_bytes;
  extra["commits"] = commits_;
  extra["commit_errors"] = commit_errors_;
  extra["given_up"] = given_up_;
  extra["quarantined"] = quarantined_;
  extra["compressed"] = coded.compressed;
  extra["incompressible"] = coded.incompressible;
  extra["raw_bytes"] = coded.raw_bytes;
  extra["compressed_bytes"] = coded.compressed_bytes;
  extra["corrupt"] = coded.corrupt;
  try {
    auto files = env_.stats();
    extra["map_size_bytes"] = files.map_bytes;
    extra["file_size_bytes"] = files.file_bytes;
    extra["file_free_bytes"] = files.free_bytes;
  } catch (const lmdb_fault&) {
    // The figures of the file are left out; look-ups report what is wrong.
  }
}

} // namespace terrace
