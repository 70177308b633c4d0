#include "tiers/memory_store.hpp"

#include "messages/glob.hpp"
#include "tiers/hybrid_clock.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <limits>
#include <new>
#include <tuple>
#include <utility>

namespace terrace {

namespace {

/// Bytes of a typical entry, rather a large one: only sizes the table's first
/// array, which grows.
constexpr std::size_t typical_entry = 512;

constexpr std::uint64_t one_gib = 1ull << 30;

/// The first array covers at most this many entries; later it grows.
constexpr std::size_t most_expected = 4u << 20;

/// Where the part of a node is that policies use.
const auto policy_offset = [] {
  alignas(memory_node) static std::byte place[sizeof(memory_node)];
  auto* node = reinterpret_cast<memory_node*>(place);
  return reinterpret_cast<char*>(static_cast<policy_item*>(node))
         - reinterpret_cast<char*>(node);
}();

/// End of an entry's stay: its own expiry or the longest stay in L1.
std::int64_t stay_until(std::int64_t expires_ms, milliseconds max_ttl,
                        std::int64_t now_ms) {
  if (max_ttl.count() == 0)
    return expires_ms;
  auto limit = now_ms + max_ttl.count();
  return expires_ms == 0 ? limit : std::min(expires_ms, limit);
}

/// Bytes and entries of one shard.
std::pair<std::size_t, std::size_t> bounds(const memory_options& opts,
                                           std::size_t shards) {
  auto entries = opts.max_entries == 0
                   ? std::numeric_limits<std::size_t>::max()
                   : std::max<std::size_t>(opts.max_entries / shards, 1);
  return {opts.max_size / shards, entries};
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
    shard_(shard),
    table_(view_->table(shard)),
    max_bytes_(bounds(opts, view_->shards()).first),
    max_entries_(bounds(opts, view_->shards()).second),
    space_(*this),
    policy_(make_policy(opts.policy, space_, &view_->policies())),
    insight_(view_->shards()) {
  table_.before_freeing([this] { drain(drained_at_once); });
  ask_readers();
}

memory_store::~memory_store() {
  // Readers may go on; the table no longer asks us before it frees.
  table_.before_freeing({});
}

void memory_store::resize(std::uint64_t max_size, std::uint64_t max_entries) {
  opts_.max_size = max_size;
  opts_.max_entries = max_entries;
  std::tie(max_bytes_, max_entries_) = bounds(opts_, view_->shards());
}

void memory_store::shed(std::size_t n) noexcept {
  auto left = bytes() > n ? bytes() - n : 0;
  shed_bytes_ = n == 0 || left > max_bytes_ ? 0 : max_bytes_ - left;
}

bool memory_store::change_policy(std::string_view name) {
  if (name == policy_->name())
    return true;
  auto fresh = make_policy(name, space_, &view_->policies());
  if (!fresh)
    return false;
  drain(access_ring::size);
  fresh->adopt(policy_->release(), now_ms_);
  policy_ = std::move(fresh);
  ask_readers();
  opts_.policy = name;
  return true;
}

// -- entries as policies see them ---------------------------------------------

memory_store::space::space(memory_store& owner) noexcept
  : policy_space(owner.table_.arena().base() + policy_offset),
    owner_(owner),
    table_(owner.table_) {
  // nop
}

std::uint64_t memory_store::space::hash(item_id x) const noexcept {
  return table_.hash(table_.node(x).key());
}

std::uint32_t memory_store::space::size(item_id x) const noexcept {
  return static_cast<std::uint32_t>(table_.node(x).footprint());
}

std::int64_t memory_store::space::until_ms(item_id x) const noexcept {
  return table_.node(x).until_ms();
}

bool memory_store::space::make_room(std::size_t bytes) noexcept {
  return owner_.make_room(bytes);
}

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
  begin(now_ms);
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
  evict_to_bound(now_ms);
  compact();
  return result;
}

memory_store::verdict memory_store::put_one(const entry& x, bool if_absent,
                                            std::int64_t now_ms) {
  auto hash = view_->hash(x.key);
  look_ahead(hash);
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
  if (old) {
    // Most policies have it in a list, with a neighbour on either side.
    __builtin_prefetch(&table_.node(old->prev), 1);
    __builtin_prefetch(&table_.node(old->next), 1);
  }
  auto* fresh = make_node(
    x, stay_until(x.data.expires_ms, opts_.max_ttl, now_ms), now_ms);
  memory_node* replaced = nullptr;
  try {
    replaced = table_.insert(fresh, hash);
  } catch (const std::bad_alloc&) {
    fresh->dispose(table_.arena());
    throw;
  }
  account(*fresh, true);
  watch(*fresh);
  if (replaced) {
    timers_.cancel(replaced->timer());
    insight_.ended(hybrid_clock::physical_ms(replaced->version()), now_ms);
    policy_->replaced(table_.id_of(*replaced), table_.id_of(*fresh), false,
                      now_ms);
    account(*replaced, false);
    table_.retire(replaced);
  } else {
    policy_->inserted(table_.id_of(*fresh), now_ms);
    insight_.loaded(hash, static_cast<std::uint32_t>(fresh->footprint()),
                    x.cost_us, now_ms);
  }
  return verdict::stored;
}

/// Makes room if there is none. Throws `std::bad_alloc`.
memory_node* memory_store::make_node(const entry& x, std::int64_t until_ms,
                                     std::int64_t now_ms) {
  for (auto tries = 64;; --tries) {
    if (auto* node = memory_node::make(table_.arena(), x.key, x.data, until_ms))
      return node;
    if (tries == 0 || !evict_one(now_ms))
      throw std::bad_alloc{};
    table_.reclaim();
  }
}

remove_report memory_store::remove(std::span<const removal> xs,
                                   std::int64_t now_ms) {
  remove_report result;
  begin(now_ms);
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
  begin(now_ms);
  auto consider = [&](memory_node* x) {
    if (x->version() <= up_to && what.matches(x->key(), x->tags())) {
      if (x->live(now_ms))
        ++result;
      table_.erase(*x, table_.hash(x->key()));
      drop(*x);
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

// -- warm restart -------------------------------------------------------------

hot_page memory_store::hottest(const hot_request& x,
                               std::int64_t now_ms) const {
  hot_page result{x.cursor, {}};
  std::uint64_t seen = 0;
  do {
    result.cursor = table_.visit(result.cursor, [&](const memory_node* node) {
      ++seen;
      auto hotness = policy_->hotness(table_.id_of(*node));
      if (hotness >= x.floor && node->live(now_ms))
        result.found.push_back({std::string{node->key()}, hotness,
                                static_cast<std::uint32_t>(node->footprint()),
                                node->expires_ms()});
    });
    ++seen; // empty buckets cost something too
  } while (result.cursor != 0 && seen < x.budget);
  return result;
}

std::size_t memory_store::room() const noexcept {
  auto taken = bytes() + shed_bytes_;
  return table_.size() < max_entries_ && taken < max_bytes_ ? max_bytes_ - taken
                                                            : 0;
}

// -- figures ------------------------------------------------------------------

void memory_store::describe(tier_status& out) {
  out.tier = tier_kind::memory;
  out.entries += table_.size();
  out.bytes += bytes();
  out.capacity_bytes += max_bytes_;
  out.evictions += evictions_;
  out.expirations += expirations_;
  auto& arena = table_.arena();
  out.extra["page_bytes"] += arena.page_bytes();
  out.extra["outside_bytes"] += outside_bytes_;
  out.extra["table_bytes"] += table_.array_bytes();
  out.extra["aside_bytes"] += aside_bytes_;
  out.extra["moved"] += moves_;
  out.extra["shed_bytes"] += shed_bytes_;
  insight_.describe(max_bytes_, one_gib / view_->shards(), out);
  policy_->describe(out.extra);
}

// -- entries ------------------------------------------------------------------

void memory_store::drop(memory_node& x) {
  timers_.cancel(x.timer());
  insight_.ended(hybrid_clock::physical_ms(x.version()), now_ms_);
  policy_->erased(table_.id_of(x));
  account(x, false);
  table_.retire(&x);
}

void memory_store::begin(std::int64_t now_ms) {
  now_ms_ = now_ms;
  // A wheel without timers costs nothing to turn.
  if (timers_.size() == 0)
    timers_.advance(now_ms, 1, [](item_id) {});
}

/// Has the end of an entry's stay reported.
void memory_store::watch(memory_node& x) {
  if (x.until_ms() != 0)
    x.timer(timers_.schedule(table_.id_of(x), x.until_ms()));
}

void memory_store::account(const memory_node& x, bool added) {
  auto& n = count_of(tenant_of(x.key()));
  if (added) {
    entry_bytes_ += x.footprint();
    outside_bytes_ += x.outside_bytes();
    ++n;
  } else {
    entry_bytes_ -= x.footprint();
    outside_bytes_ -= x.outside_bytes();
    --n;
  }
}

/// Mostly the tenant of the last time is meant.
std::uint64_t& memory_store::count_of(tenant_id tenant) {
  if (!last_tenant_.second || last_tenant_.first != tenant)
    last_tenant_ = {tenant, &per_tenant_[tenant]};
  return *last_tenant_.second;
}

} // namespace terrace
