// Keeping L1 within its bounds: eviction, expiry, holes in pages.

#include "tiers/hybrid_clock.hpp"
#include "tiers/memory_store.hpp"

#include <algorithm>
#include <utility>

namespace terrace {

namespace {

/// Pages emptied in one call, and how far pages may exceed the bound before
/// that begins: a 64th, and what a small cache has in hardly used pages.
constexpr int pages_at_once = 4;
constexpr std::size_t allowed_share = 64;
constexpr std::size_t page_allowance = 16 * memory_arena::page_size;

/// Readers' accesses are looked at after so many evicting writes: of so many
/// entries one, as a policy of few entries needs to know before it evicts.
constexpr std::size_t drain_share = 512;
constexpr std::size_t most_undrained = 15;

/// One ghost, of 8 bytes, for so many entries.
constexpr std::size_t ghosts_share = 8;

/// What instruments take grows in jumps, and the allocator keeps for a while
/// what they had before: so much of it on top.
constexpr std::size_t slack_share = 4;

/// Below this, less of what instruments take counts: they need a few MiB.
constexpr std::size_t small_cache = 32u << 20;

/// In so many steps a policy gets the room that it asks for.
constexpr std::size_t room_steps = 256;

/// Entries evicted in one call, so that a bound that shrank does not hold up
/// the shard.
constexpr int evictions_at_once = 4096;

} // namespace

std::size_t memory_store::sweep(std::int64_t now_ms, std::size_t budget) {
  begin(now_ms);
  drain(access_ring::size);
  budget = timers_.advance(now_ms, budget, [this](item_id id) {
    auto& node = table_.node(id);
    node.timer(0);
    ++expirations_;
    table_.erase(node, table_.hash(node.key()));
    drop(node);
  });
  evict_to_bound(now_ms);
  table_.reclaim();
  compact_above_ = 0;
  compact();
  table_.arena().trim();
  table_.arena().join_up();
  insight_.fit(table_.size() / ghosts_share,
               view_->totals().hits / view_->shards());
  auto aside = policy_->bytes() + insight_.bytes() + timers_.bytes();
  aside += aside / slack_share;
  aside_bytes_ = std::min(aside, most_aside());
  if (std::exchange(room_given_, false))
    room_bytes_ = 0; // is in use, and counted
  return budget;
}

// -- bounds -------------------------------------------------------------------

/// A small cache does not pay for its instruments with all it has.
std::size_t memory_store::most_aside() const noexcept {
  return max_bytes_ / (max_bytes_ < small_cache ? 4 : 2);
}

std::size_t memory_store::bytes() const noexcept {
  return entry_bytes_ + table_.array_bytes() + aside_bytes_ + room_bytes_;
}

bool memory_store::make_room(std::size_t bytes) noexcept {
  auto all = std::min(bytes, most_aside());
  room_bytes_ = std::min(all, room_bytes_ + all / room_steps + page_allowance);
  room_given_ = room_bytes_ == all && (!over_bound() || table_.size() == 0)
                && held() <= most_held();
  return room_given_;
}

bool memory_store::over_bound() const noexcept {
  return table_.size() > max_entries_
         || (bytes() + shed_bytes_ > max_bytes_ && table_.size() > 0);
}

void memory_store::look_ahead(std::uint64_t hash) const noexcept {
  table_.prefetch_bucket(hash);
  policy_->anticipate(hash);
  insight_.anticipate(hash);
  // Its node was asked for with the last eviction.
  if (auto next = policy_->next_in_line())
    table_.prefetch_bucket(table_.hash(table_.node(next).key()));
}

bool memory_store::evict_one(std::int64_t now_ms) {
  auto id = policy_->evict(now_ms);
  if (id == 0)
    return false;
  auto& victim = table_.node(id);
  auto hash = table_.hash(victim.key());
  auto written_ms = hybrid_clock::physical_ms(victim.version());
  if (victim.live(now_ms)) {
    if (on_evict_)
      on_evict_(victim);
    ++evictions_;
    insight_.evicted(hash, written_ms, now_ms);
  } else {
    ++expirations_;
    insight_.ended(written_ms, now_ms);
  }
  timers_.cancel(victim.timer());
  account(victim, false);
  table_.erase(victim, hash);
  table_.retire(&victim);
  if (auto next = policy_->next_in_line())
    __builtin_prefetch(&table_.node(next));
  return true;
}

void memory_store::evict_to_bound(std::int64_t now_ms) {
  if (!over_bound())
    return;
  if (++undrained_ > std::min(table_.size() / drain_share, most_undrained))
    drain(drained_at_once);
  for (auto n = evictions_at_once; n > 0 && over_bound(); --n)
    if (!evict_one(now_ms))
      return;
}

void memory_store::drain(std::size_t most) {
  undrained_ = 0;
  auto wanted = policy_->wanted_ranks() != 0;
  view_->drain(shard_, drained_, most, [this, wanted](item_id x) {
    auto& node = table_.node(x);
    if (!node.linked())
      return;
    if (wanted)
      policy_->accessed(x, now_ms_);
    insight_.hit(table_.hash(node.key()),
                 static_cast<std::uint32_t>(node.footprint()),
                 hybrid_clock::physical_ms(node.version()), now_ms_);
  });
  ask_readers();
}

/// With every drain, as policies change their mind.
void memory_store::ask_readers() {
  table_.report_up_to(
    std::max(policy_->wanted_ranks(), insight_.wanted_ranks()));
}

// -- holes --------------------------------------------------------------------

std::size_t memory_store::held() const noexcept {
  return table_.arena().page_bytes() + outside_bytes_ + table_.array_bytes()
         + aside_bytes_ + room_bytes_;
}

std::size_t memory_store::most_held() const noexcept {
  return std::max(max_bytes_ + max_bytes_ / allowed_share + page_allowance,
                  compact_above_);
}

void memory_store::compact() {
  auto most = most_held();
  if (held() <= most)
    return;
  table_.reclaim();
  auto before = held();
  for (auto n = pages_at_once; n > 0 && held() > most; --n) {
    auto* page = table_.arena().sparse_page();
    if (!page)
      break;
    move_together(page);
    table_.reclaim();
  }
  // What cannot be helped now is not tried with every write.
  compact_above_ = held() >= before ? before + page_allowance : 0;
}

/// Moves what lives in a page to others of its kind.
void memory_store::move_together(void* page) {
  auto& arena = table_.arena();
  auto complete = true;
  arena.each_place(page, [&](void* place) {
    auto* old = static_cast<memory_node*>(place);
    if (!complete || old->use_count() == 0 || !old->linked())
      return;
    auto* fresh = old->move(arena);
    if (!fresh) {
      complete = false;
      return;
    }
    table_.replace(*old, *fresh);
    timers_.moved(fresh->timer(), table_.id_of(*fresh));
    policy_->replaced(table_.id_of(*old), table_.id_of(*fresh), true, now_ms_);
    table_.retire(old);
    ++moves_;
  });
  if (!complete)
    arena.keep(page);
}

} // namespace terrace
