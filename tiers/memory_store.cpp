#include "tiers/memory_store.hpp"

#include "messages/glob.hpp"
#include "tiers/s3fifo.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <new>

namespace terrace {

namespace {

/// Bytes of a typical small entry: only sizes the table's first array.
constexpr std::size_t typical_entry = 256;

/// The first array covers at most this many entries; later it grows.
constexpr std::size_t most_expected = 4u << 20;

/// End of an entry's stay: its own expiry or the longest stay in L1.
std::int64_t stay_until(std::int64_t expires_ms, milliseconds max_ttl,
                        std::int64_t now_ms) {
  if (max_ttl.count() == 0)
    return expires_ms;
  auto limit = now_ms + max_ttl.count();
  return expires_ms == 0 ? limit : std::min(expires_ms, limit);
}

} // namespace

// -- constructors -------------------------------------------------------------

memory_view_ptr memory_store::make_view(const memory_options& opts,
                                        std::size_t shards,
                                        std::uint64_t seed) {
  auto expected = opts.max_size / typical_entry;
  if (opts.max_entries != 0)
    expected = std::min<std::uint64_t>(expected, opts.max_entries);
  return std::make_shared<memory_view>(
    shards, std::min<std::size_t>(expected, most_expected), seed);
}

memory_store::memory_store(const memory_options& opts, memory_view_ptr view,
                           std::size_t shard)
  : opts_(opts),
    view_(std::move(view)),
    table_(view_->table(shard)),
    max_bytes_(opts.max_size / view_->shards()),
    max_entries_(
      opts.max_entries == 0
        ? std::numeric_limits<std::size_t>::max()
        : std::max<std::size_t>(opts.max_entries / view_->shards(), 1)),
    policy_(std::make_unique<s3fifo>()) {
  // nop
}

memory_store::~memory_store() = default;

// -- store --------------------------------------------------------------------

lookups memory_store::fetch(std::span<const std::string> keys,
                            std::int64_t now_ms) {
  lookups result;
  result.reserve(keys.size());
  auto pinned = view_->pin();
  for (auto& key : keys) {
    auto* node = view_->peek(pinned, key, view_->hash(key), now_ms);
    result.push_back(node ? lookup::found(node->data(), tier_kind::memory)
                          : lookup::missed());
  }
  return result;
}

store_report memory_store::put(std::span<const entry> xs, bool if_absent,
                               std::int64_t now_ms) {
  store_report result;
  for (auto& x : xs) {
    try {
      if (put_one(x, if_absent, now_ms) == verdict::stored)
        ++result.stored;
      else
        ++result.refused;
    } catch (const std::bad_alloc&) {
      // The old record must not outlive the write that failed.
      if (auto* old = table_.erase(x.key, view_->hash(x.key)))
        drop(*old);
      ++result.failed;
      result.why = {errc::no_space, "no memory for an entry"};
    }
  }
  evict_to_bound();
  return result;
}

memory_store::verdict memory_store::put_one(const entry& x, bool if_absent,
                                            std::int64_t now_ms) {
  auto hash = view_->hash(x.key);
  auto* old = table_.find(x.key, hash);
  if (old && old->live(now_ms)
      && (if_absent || old->version() > x.data.version))
    return verdict::refused;
  const bool fits = x.data.value.size() <= opts_.max_value_size
                    && x.data.value.size() + x.key.size() < max_bytes_
                    && !x.data.expired(now_ms);
  if (!fits) {
    // Whatever is there is older than what is refused.
    if (auto* node = table_.erase(x.key, hash))
      drop(*node);
    return verdict::refused;
  }
  auto* fresh = memory_node::make(
    x.key, hash, x.data, stay_until(x.data.expires_ms, opts_.max_ttl, now_ms));
  account(*fresh, true);
  if (auto* replaced = table_.insert(fresh)) {
    policy_->replaced(*replaced, *fresh);
    account(*replaced, false);
    table_.retire(replaced);
  } else {
    policy_->inserted(*fresh);
  }
  return verdict::stored;
}

remove_report memory_store::remove(std::span<const removal> xs,
                                   std::int64_t now_ms) {
  remove_report result;
  result.existed.reserve(xs.size());
  for (auto& x : xs) {
    auto hash = view_->hash(x.key);
    auto* node = table_.find(x.key, hash);
    if (!node || node->version() > x.version) {
      result.existed.push_back(false);
      continue;
    }
    result.existed.push_back(node->live(now_ms));
    drop(*table_.erase(x.key, hash));
  }
  return result;
}

expected<std::uint64_t> memory_store::purge(const selector& what,
                                            version_t up_to,
                                            std::int64_t now_ms) {
  std::uint64_t result = 0;
  auto consider = [&](memory_node* x) {
    if (x->version() <= up_to && what.matches(x->key(), x->tags())) {
      if (x->live(now_ms))
        ++result;
      drop(*table_.erase(x->key(), x->hash()));
    }
  };
  if (what.what == selector::kind::key) {
    auto key = what.key_prefix();
    if (auto* node = table_.find(key, view_->hash(key)))
      consider(const_cast<memory_node*>(node));
    return result;
  }
  std::uint64_t cursor = 0;
  do {
    cursor = table_.visit(cursor, consider);
  } while (cursor != 0);
  table_.reclaim();
  return result;
}

expected<key_page> memory_store::list(tenant_id tenant, const std::string& glob,
                                      const std::string& cursor,
                                      std::size_t budget, std::int64_t now_ms) {
  std::uint64_t at = 0;
  auto* last = cursor.data() + cursor.size();
  if (!cursor.empty()) {
    auto [end, ec] = std::from_chars(cursor.data(), last, at);
    if (ec != std::errc{} || end != last)
      return failure{errc::invalid_argument, "cursor " + cursor};
  }
  key_page result;
  std::size_t seen = 0;
  do {
    at = table_.visit(at, [&](memory_node* x) {
      ++seen;
      if (tenant_of(x->key()) == tenant && x->live(now_ms)
          && (glob == "*" || glob_match(glob, user_key(x->key()))))
        result.found.emplace_back(x->key());
    });
    ++seen; // empty buckets cost something too
  } while (at != 0 && seen < budget);
  result.done = at == 0;
  if (!result.done)
    result.next = std::to_string(at);
  return result;
}

expected<std::uint64_t> memory_store::count(tenant_id tenant) {
  auto i = per_tenant_.find(tenant);
  return i == per_tenant_.end() ? std::uint64_t{0} : i->second;
}

std::size_t memory_store::sweep(std::int64_t now_ms, std::size_t budget) {
  while (budget > 0) {
    sweep_cursor_ = table_.visit(sweep_cursor_, [&](memory_node* x) {
      budget -= budget > 0 ? 1 : 0;
      if (!x->live(now_ms)) {
        ++expirations_;
        drop(*table_.erase(x->key(), x->hash()));
      }
    });
    budget -= budget > 0 ? 1 : 0;
    if (sweep_cursor_ == 0)
      break;
  }
  table_.reclaim();
  return budget;
}

void memory_store::describe(tier_status& out) {
  out.tier = tier_kind::memory;
  out.entries += table_.size();
  out.bytes += bytes();
  out.capacity_bytes += max_bytes_;
  out.evictions += evictions_;
  out.expirations += expirations_;
}

// -- bounds -------------------------------------------------------------------

std::size_t memory_store::bytes() const noexcept {
  return entry_bytes_ + table_.size() * sizeof(std::uint64_t) * 2;
}

bool memory_store::over_bound() const noexcept {
  return bytes() > max_bytes_ || table_.size() > max_entries_;
}

void memory_store::evict_to_bound() {
  while (over_bound()) {
    auto* victim = policy_->evict();
    if (!victim)
      return;
    if (on_evict_)
      on_evict_(*victim);
    ++evictions_;
    account(*victim, false);
    table_.retire(table_.erase(victim->key(), victim->hash()));
  }
}

void memory_store::drop(memory_node& x) {
  policy_->erased(x);
  account(x, false);
  table_.retire(&x);
}

void memory_store::account(const memory_node& x, bool added) noexcept {
  auto& n = per_tenant_[tenant_of(x.key())];
  if (added) {
    entry_bytes_ += x.footprint();
    ++n;
  } else {
    entry_bytes_ -= x.footprint();
    --n;
  }
}

} // namespace terrace
