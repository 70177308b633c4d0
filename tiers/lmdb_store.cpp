#include "tiers/lmdb_store.hpp"

#include "tiers/lmdb_journal.hpp"

#include <algorithm>
#include <new>

namespace terrace {

namespace {

/// A change rewrites a page at least, and the old copies are of use two commits
/// later.
constexpr std::uint64_t bytes_per_change = 3 * lmdb_page_size;

/// What opening reads back after a crash; some 100 ms.
constexpr std::uint64_t most_journal = 64ull << 20;

/// Of an entry, for what is sized by how many fit on the disk.
constexpr std::uint64_t bytes_per_entry = 1024;

template <class T>
keys keys_of(std::span<const T> xs) {
  keys result;
  result.reserve(xs.size());
  for (auto& x : xs)
    result.push_back(x.key);
  return result;
}

/// Has the lines of a value fetched side by side: its checksum would ask for
/// one after the other.
void prefetch(std::string_view value) noexcept {
  constexpr std::size_t line = 64;
  constexpr std::size_t most = 32 * line;
  for (std::size_t i = 0; i < std::min(value.size(), most); i += line)
    __builtin_prefetch(value.data() + i);
}

failure out_of_memory() {
  return {errc::no_space, "not enough memory"};
}

} // namespace

// -- constructors -------------------------------------------------------------

expected<std::unique_ptr<lmdb_store>>
lmdb_store::open(const disk_options& opts,
                 const compression_options& compression,
                 const std::string& path, dictionary_set_ptr dictionaries) {
  try {
    return std::unique_ptr<lmdb_store>{
      new lmdb_store(opts, compression, path, std::move(dictionaries))};
  } catch (const lmdb_fault& x) {
    return x.why;
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

lmdb_store::lmdb_store(const disk_options& opts,
                       const compression_options& compression,
                       const std::string& path, dictionary_set_ptr dictionaries)
  : opts_(opts),
    sizes_(opts),
    codec_(compression, std::move(dictionaries)),
    path_(path),
    env_(path, opts.max_size,
         opts.durability == "os" ? lmdb_sync::os : lmdb_sync::commit),
    clock_(0),
    admission_(opts.admission == "reuse", opts.write_budget,
               opts.max_size / bytes_per_entry),
    dictionaries_(codec_),
    slice_limit_(sizes_.slice),
    changes_limit_(sizes_.changes),
    state_(lmdb_load_state(env_)),
    fences_(lmdb_load_fences(env_)),
    tenants_(lmdb_load_tenants(env_)),
    fenced_(!fences_.empty()),
    limit_(sizes_.tables) {
  max_version_ = state_.max_version;
  floor_ = state_.floor;
  clock_.grow(state_.entries);
  dictionaries_.load(env_); // before the journals, whose records need them
  // The journal that takes no new changes any more is the older one, and was
  // being merged.
  std::uint64_t damaged = 0;
  auto restore = [this, &damaged](lmdb_replay&& x, bool merging) {
    damaged += x.damaged ? 1 : 0;
    if (!merging)
      journal_bytes_ += x.key.size() + x.data.value.size();
    // It was cleared, and the commit that would have taken the marker for it
    // never came.
    if (!x.removed && fences_.hides(x.key, x.data.tags, x.data.version)) {
      x.removed = true;
      x.data.value = {};
    }
    overlay_.restore(std::move(x), merging);
  };
  auto& journals = env_.tables().journal;
  lmdb_read_journal(env_, journals[state_.filling ^ 1], codec_,
                    [&](lmdb_replay&& x) { restore(std::move(x), true); });
  lmdb_read_journal(env_, journals[state_.filling], codec_,
                    [&](lmdb_replay&& x) { restore(std::move(x), false); });
  if (!overlay_.merging().empty())
    run_.emplace(overlay_.merging());
  quarantined_ = damaged;
}

lmdb_store::sizes::sizes(const disk_options& opts) noexcept {
  spare = opts.max_size / 8;
  tables = opts.max_size - spare - opts.max_size / 16;
  journal = std::min({opts.max_pending_size, spare / 2, most_journal});
  slice = std::min(lmdb_max_slice, spare / 4);
  changes = static_cast<std::size_t>(std::clamp(
    spare / bytes_per_change, lmdb_fewest_changes, lmdb_most_changes));
}

// -- looking up ---------------------------------------------------------------

lookup lmdb_store::answer(record x, lmdb_overlay::state what,
                          std::int64_t now_ms) const {
  if (what == lmdb_overlay::state::removed || x.expired(now_ms)
      || x.version <= floor_.load(std::memory_order_acquire)) {
    auto result = lookup::missed();
    if (what != lmdb_overlay::state::removed)
      result.data.version = x.version;
    return result;
  }
  return lookup::found(std::move(x), tier_kind::disk);
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
  auto hash = lmdb_probe{key}.hash;
  if (with_value)
    clock_.prefetch(hash);
  if (!is_qualified(key) || !txn.get(env_.tables().data, table_key, value))
    return lookup::missed();
  if (with_value)
    prefetch(value);
  auto result = lookup::missed();
  lmdb_row row;
  if (!lmdb_parse(table_key, value, row))
    return corrupt(key, value);
  if (row.key != key)
    return result;
  auto head = codec::peek(row.record);
  if (!head && head.error().code != errc::corrupt)
    return lookup::failed(head.error().code);
  if (!head)
    return corrupt(key, value);
  auto gone = [now_ms](std::int64_t x) { return x != 0 && x <= now_ms; };
  if (gone(row.until) || gone(head->expires_ms)
      || hidden(key, row.record, head->version)) {
    result.data.version = head->version;
    return result;
  }
  if (!with_value) {
    record x;
    x.version = head->version;
    x.expires_ms = head->expires_ms;
    return answer(x, lmdb_overlay::state::record, now_ms);
  }
  auto bytes = row.record;
  std::string whole;
  if (row.run != 0) {
    if (!assemble(txn, row, whole))
      return corrupt(key, value);
    bytes = whole;
  }
  auto data = codec_.decode(key, bytes);
  if (data) {
    clock_.touch(hash);
    return answer(*std::move(data), lmdb_overlay::state::record, now_ms);
  }
  if (data.error().code == errc::corrupt)
    return corrupt(key, value);
  return lookup::failed(data.error().code);
}

/// Notes that a row is damaged, for the next commit to delete it.
lookup lmdb_store::corrupt(const std::string& key, std::string_view row) {
  std::lock_guard lock{mutex_};
  quarantine_.emplace_back(key, lmdb_tree::fingerprint(row));
  return lookup::failed(errc::corrupt);
}

/// Puts a large record together. False: a part of it is missing.
bool lmdb_store::assemble(lmdb_read& txn, const lmdb_row& row,
                          std::string& out) {
  out.reserve(row.record.size() + row.rest);
  out = row.record;
  for (std::uint64_t i = 0, left = row.rest; left > 0; ++i) {
    auto key = lmdb_chunk_key(row.run, i);
    std::string_view part;
    if (!txn.get(env_.tables().chunks, lmdb_integer(key), part)
        || part.size() != std::min<std::uint64_t>(left, lmdb_chunk_size))
      return false;
    out += part;
    left -= part.size();
  }
  return true;
}

/// Whether a record in the tree has been cleared.
bool lmdb_store::hidden(std::string_view key, std::string_view bytes,
                        version_t version) const {
  if (!fenced_.load(std::memory_order_acquire))
    return false;
  auto tags = codec::peek_tags(bytes);
  std::lock_guard lock{mutex_};
  return fences_.hides(key, tags, version);
}

lookups lmdb_store::look_up(std::span<const std::string> xs,
                            std::int64_t now_ms, bool with_value) {
  lookups result(xs.size());
  // What the overlay does not know now is in the tree when the transaction
  // begins: all keys are looked for there first.
  std::vector<bool> known;
  if (overlay_.bytes() != 0) {
    known.resize(xs.size());
    for (std::size_t i = 0; i < xs.size(); ++i) {
      record x;
      auto what = overlay_.find(xs[i], x);
      known[i] = what != lmdb_overlay::state::unknown;
      if (known[i])
        result[i] = answer(std::move(x), what, now_ms);
    }
    if (std::all_of(known.begin(), known.end(), [](bool x) { return x; }))
      return result;
  }
  std::size_t i = 0;
  auto skip = [&] { return !known.empty() && known[i]; };
  try {
    lmdb_read txn{env_};
    for (; i < xs.size(); ++i)
      if (!skip())
        result[i] = read(txn, xs[i], now_ms, with_value);
  } catch (const lmdb_fault& x) {
    for (; i < xs.size(); ++i)
      if (!skip())
        result[i] = lookup::failed(x.why.code);
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

void lmdb_store::describe(tier_status& out) {
  out.tier = tier_kind::disk;
  out.capacity_bytes = limit_ == sizes_.tables ? opts_.max_size : limit_.load();
  out.evictions = evictions_;
  out.expirations = expirations_;
  {
    std::lock_guard lock{mutex_};
    out.entries = state_.entries - state_.hidden_entries;
    out.bytes = state_.bytes - state_.hidden_bytes;
    out.extra["cleared_entries"] = state_.hidden_entries;
    out.extra["cleared_bytes"] = state_.hidden_bytes;
  }
  auto sizes = overlay_.stats();
  auto& extra = out.extra;
  extra["pending_entries"] = sizes.staged_entries;
  extra["pending_bytes"] = sizes.staged_bytes;
  extra["journal_entries"] = sizes.entries - sizes.staged_entries;
  extra["journal_bytes"] = sizes.bytes - sizes.staged_bytes;
  extra["commits"] = commits_;
  extra["commit_errors"] = commit_errors_;
  extra["given_up"] = given_up_;
  extra["not_admitted"] = not_admitted_;
  extra["accepted_bytes"] = accepted_bytes_;
  extra["written_bytes"] = written_bytes_;
  extra["quarantined"] = quarantined_;
  extra["started_anew"] = renewals_;
  extra["used_bytes"] = used_;
  extra["given_back_bytes"] = given_back_;
  extra["journal_disk_bytes"] = journal_bytes_;
  codec_.fill(extra, {});
  try {
    auto files = env_.stats();
    extra["map_size_bytes"] = files.map;
    extra["file_size_bytes"] = files.file;
    extra["file_free_bytes"] = files.free;
    extra["device_bytes"] = files.device;
  } catch (const lmdb_fault&) {
    // The figures of the file are left out; look-ups report what is wrong.
  }
}

} // namespace terrace
