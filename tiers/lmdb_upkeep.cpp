// Around a transaction: bounds, full devices, damage, and what is done in the
// background.

#include "tiers/lmdb_store.hpp"

#include <algorithm>
#include <new>

namespace terrace {

namespace {

/// At most this much is given back to the device at once.
constexpr std::uint64_t give_back_step = 256ull << 20;

/// Free pages that are not worth giving back.
constexpr std::uint64_t least_kept = 4ull << 20;

} // namespace

expected<void> lmdb_store::checkpoint() {
  try {
    env_.checkpoint();
    return {};
  } catch (const lmdb_fault& x) {
    return x.why;
  }
}

// -- transactions -------------------------------------------------------------

lmdb_tree lmdb_store::begin() {
  auto state = state_;
  state.floor = std::max(state.floor, floor_.load(std::memory_order_acquire));
  return {env_, state, fences_, clock_};
}

bool lmdb_store::has_damage() const {
  std::lock_guard lock{mutex_};
  return !quarantine_.empty();
}

void lmdb_store::finish(lmdb_tree& tree, std::int64_t now_ms) {
  std::vector<std::pair<std::string, std::uint64_t>> damaged;
  {
    std::lock_guard lock{mutex_};
    damaged.swap(quarantine_);
  }
  for (auto& [key, print] : damaged)
    tree.discard(key, print);
  auto within = tree.evict(limit_, changes_limit_, now_ms);
  tree.commit();
  publish(tree);
  quarantined_.fetch_add(damaged.size(), std::memory_order_relaxed);
  // What was given to this transaction is on disk whatever happens now, and the
  // next one goes on with evicting.
  try {
    while (!within) {
      auto more = begin();
      within = more.evict(limit_, changes_limit_, now_ms);
      more.commit();
      publish(more);
    }
  } catch (const lmdb_fault& x) {
    note_failure(x.why);
  }
}

void lmdb_store::publish(lmdb_tree& tree) {
  commits_.fetch_add(1, std::memory_order_relaxed);
  evictions_.fetch_add(tree.evicted, std::memory_order_relaxed);
  expirations_.fetch_add(tree.expired, std::memory_order_relaxed);
  used_.store(tree.used_at_commit, std::memory_order_relaxed);
  max_version_.store(std::max(max_version_.load(), tree.state().max_version),
                     std::memory_order_release);
  clock_.grow(tree.state().entries);
  std::lock_guard lock{mutex_};
  state_ = tree.state();
  fences_ = tree.totals().fences();
  fenced_.store(!fences_.empty(), std::memory_order_release);
  for (auto& [group, total] : tree.totals().changed()) {
    if (group.size() != tenant_prefix_size)
      continue;
    if (total.entries == 0)
      tenants_.erase(tenant_of(group));
    else
      tenants_[tenant_of(group)] = total;
  }
}

/// Counts what this thread has written since its count was `before`.
void lmdb_store::count_written(std::uint64_t before) {
  auto bytes = lmdb_thread_writes() - before;
  written_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  admission_.wrote(bytes);
}

/// How many pages a change takes shows only when there are none left: a
/// transaction that ran out of them is made smaller, and slowly larger again.
void lmdb_store::pace(bool ample) noexcept {
  auto wanted = ample ? changes_limit_ + changes_limit_ / 16 + 1
                      : changes_limit_ / 2;
  changes_limit_ = std::clamp<std::size_t>(wanted, lmdb_fewest_changes,
                                           lmdb_most_changes);
}

/// Makes free pages on the file's own account: `bytes` more than are kept
/// anyway. They are of use two commits later.
void lmdb_store::make_room(std::uint64_t bytes, std::int64_t now_ms) {
  env_.checkpoint();
  auto limit = limit_ - std::min<std::uint64_t>(limit_, bytes);
  for (auto step = changes_limit_; step > 0;) {
    try {
      auto tree = begin();
      auto within = tree.evict(limit, step, now_ms);
      tree.commit();
      publish(tree);
      if (within)
        break;
    } catch (const lmdb_fault& x) {
      if (!x.map_full)
        throw;
      step /= 2;
    }
  }
  for (int i = 0; i < 2; ++i) {
    auto tree = begin();
    tree.commit();
    publish(tree);
  }
}

/// Makes room on a full disk, and keeps it: the bound is lowered to what is
/// left, because from now on a commit lives on the free pages inside the file.
/// Deleting takes new pages before it gives old ones back, so the reserve is
/// spent on it, and the steps become smaller until one succeeds.
bool lmdb_store::relieve(std::int64_t now_ms) {
  env_.checkpoint();
  auto before = used_.load();
  auto target = before - before / 8;
  auto done = false;
  env_.release_reserve();
  // Pages are free for use two commits after they were given back: hence two
  // more.
  for (auto [step, more] = std::pair{changes_limit_, 2};
       step > 0 && more > 0;) {
    try {
      auto tree = begin();
      if (tree.evict(target, step, now_ms))
        --more;
      done |= tree.evicted + tree.expired > 0;
      tree.commit();
      publish(tree);
    } catch (const lmdb_fault&) {
      step /= 2;
    }
  }
  if (done)
    limit_ = std::max<std::uint64_t>(used_, lmdb_min_slice);
  env_.keep_reserve();
  return done;
}

/// Begins with empty files. What waits in memory goes into them.
void lmdb_store::renew(const failure& why) {
  env_.start_anew();
  run_.reset();
  floor_cursor_.clear();
  reclaim_cursor_.clear();
  overlay_.restage();
  dictionaries_.clear();
  journal_bytes_ = 0;
  renewals_.fetch_add(1, std::memory_order_relaxed);
  std::lock_guard lock{mutex_};
  last_failure_ = why;
  state_ = {};
  fences_ = {};
  fenced_ = false;
  tenants_.clear();
  quarantine_.clear();
}

void lmdb_store::note_failure(const failure& why) {
  commit_errors_.fetch_add(1, std::memory_order_relaxed);
  if (why.code == errc::corrupt)
    env_.condemn(why);
  std::lock_guard lock{mutex_};
  last_failure_ = why;
  failing_ = true;
}

// -- purging ------------------------------------------------------------------

expected<bool> lmdb_store::purge_some(lmdb_purge& x, std::int64_t now_ms) {
  std::lock_guard lock{writer_};
  failure why;
  try {
    if (!x.begun) {
      x.begun = true;
      x.purged += hide_staged(x, now_ms);
      auto cleared = clear(x.what, x.up_to, now_ms);
      x.purged += cleared.entries;
      if (cleared.whole)
        return true;
    }
    auto newer = [this](const std::string& key) {
      return overlay_.bytes() != 0
             && overlay_.locked([&] { return overlay_.peek(key) != nullptr; });
    };
    auto tree = begin();
    auto done = tree.purge(x.what, x.up_to, x.cursor, changes_limit_, now_ms,
                           newer);
    finish(tree, now_ms);
    x.purged += tree.purged;
    return done;
  } catch (const lmdb_fault& fault) {
    why = fault.why;
  } catch (const std::bad_alloc&) {
    why = {errc::no_space, "not enough memory"};
  }
  if (why.code == errc::corrupt)
    env_.condemn(why);
  hide(x.what, x.up_to);
  return why;
}

/// The groups that a selector means; none if it means no group.
std::vector<std::string> lmdb_store::groups_of(const selector& what) const {
  std::vector<std::string> result;
  if (what.what == selector::kind::tag) {
    result.push_back(lmdb_tag_group(what.tenant, what.text));
  } else if (what.what == selector::kind::tenant) {
    result.push_back(tenant_prefix(what.tenant));
  } else if (what.what == selector::kind::all) {
    std::lock_guard lock{mutex_};
    for (auto& [tenant, total] : tenants_)
      result.push_back(tenant_prefix(tenant));
  }
  return result;
}

/// Hides what a purge means, if that is a group.
lmdb_store::cleared lmdb_store::clear(const selector& what, version_t up_to,
                                      std::int64_t now_ms) {
  cleared result;
  auto groups = groups_of(what);
  auto tag = what.what == selector::kind::tag ? &what.text : nullptr;
  if (groups.empty()) {
    result.whole = what.what == selector::kind::all;
    return result;
  }
  reclaim_cursor_.clear(); // a fence may go up or stand before the others
  auto tree = begin();
  tree.expire(changes_limit_, now_ms); // lest they are counted
  result.whole = true;
  for (auto& group : groups) {
    auto entries = tree.of(group).live_entries();
    if (entries == 0)
      continue;
    auto above = shadowed(tenant_of(group), tag, nullptr);
    if (tree.clear(group, up_to))
      result.entries += entries - std::min(entries, above.entries);
    else
      result.whole = false;
  }
  finish(tree, now_ms);
  return result;
}

/// Makes up for a purge that could not be written.
void lmdb_store::write_purge(const selector& what, version_t up_to,
                             std::int64_t now_ms) {
  auto done = clear(what, up_to, now_ms).whole;
  for (std::string cursor; !done;) {
    auto tree = begin();
    done = tree.purge(what, up_to, cursor, changes_limit_, now_ms, {});
    finish(tree, now_ms);
  }
}

/// A purge could not be written: groups are hidden all the same, and it is
/// tried again with the next commit.
void lmdb_store::hide(const selector& what, version_t up_to) {
  auto groups = groups_of(what);
  if (groups.empty())
    return;
  unwritten_.emplace_back(what, up_to);
  reclaim_cursor_.clear();
  std::lock_guard lock{mutex_};
  for (auto& group : groups)
    fences_.set(group, up_to);
  fenced_.store(true, std::memory_order_release);
}

// -- sweeping -----------------------------------------------------------------

std::size_t lmdb_store::sweep(std::int64_t now_ms, std::size_t budget) {
  std::lock_guard lock{writer_};
  auto before = lmdb_thread_writes();
  if (limit_ < sizes_.tables && env_.device_free() > opts_.max_size / 4)
    limit_ = sizes_.tables;
  try {
    if (auto why = env_.lost(); why)
      renew(why);
    env_.need_checkpoint();
    while (budget > 0) {
      if (floor_ == 0 && state_.floor == 0 && fences_.empty() && used_ <= limit_
          && !lmdb_expiry_due(env_, now_ms)) {
        drop_dictionaries(now_ms);
        give_back();
        break;
      }
      auto step = std::min(budget, changes_limit_);
      auto left = sweep_step(step, now_ms);
      budget -= step - left;
      if (left > 0)
        break;
    }
  } catch (const lmdb_fault& x) {
    sweep_failed(x.why);
  } catch (const std::bad_alloc&) {
    sweep_failed({errc::no_space, "not enough memory"});
  }
  count_written(before);
  return budget; // after a failure the next sweep tries again
}

/// The rows that the last step went past are still there.
void lmdb_store::sweep_failed(const failure& why) {
  floor_cursor_.clear();
  reclaim_cursor_.clear();
  note_failure(why);
}

/// One transaction. Returns the budget left.
std::size_t lmdb_store::sweep_step(std::size_t budget, std::int64_t now_ms) {
  auto tree = begin();
  auto left = tree.expire(budget, now_ms);
  left = tree.reclaim(reclaim_cursor_, left);
  left = sweep_floor(tree, left, now_ms);
  finish(tree, now_ms);
  if (tree.state().floor == 0) {
    // Unless it was raised meanwhile.
    auto swept = swept_floor_;
    floor_.compare_exchange_strong(swept, 0);
  }
  return left;
}

/// Deletes what the floor hides. It has to wait until the overlay holds nothing
/// from before the floor: it would come back to life without it.
std::size_t lmdb_store::sweep_floor(lmdb_tree& tree, std::size_t budget,
                                    std::int64_t now_ms) {
  auto floor = tree.state().floor;
  if (floor == 0 || state_.floor != floor || run_ || overlay_.journaled())
    return budget;
  if (swept_floor_ != floor)
    floor_cursor_.clear();
  swept_floor_ = floor;
  if (!tree.purge(selector{}, floor, floor_cursor_, budget, now_ms, {}))
    return 0;
  floor_cursor_.clear();
  tree.state().floor = 0;
  return budget;
}

/// Puts dictionaries that are new on disk before a record is written with them.
void lmdb_store::keep_dictionaries(std::int64_t now_ms) {
  for (auto& x : dictionaries_.wanted()) {
    auto tree = begin();
    dictionaries_.put(tree.txn(), env_.tables(), x);
    finish(tree, now_ms);
    dictionaries_.kept(x);
  }
}

/// Deletes those that no record needs any more, neither in the tree nor on its
/// way there.
void lmdb_store::drop_dictionaries(std::int64_t now_ms) {
  if (overlay_.bytes() != 0)
    return;
  for (auto id : dictionaries_.unused(env_)) {
    auto tree = begin();
    dictionaries_.erase(tree.txn(), env_.tables(), id);
    finish(tree, now_ms);
    dictionaries_.dropped(id);
  }
}

/// Gives pages back that have become free, unless the device is full and they
/// are what commits live on. Pages are ready two commits after they became
/// free; when nothing else is committed, that is done here.
void lmdb_store::give_back() {
  // Where entries leave to make room, free pages are used again soon.
  if (limit_ < sizes_.tables
      || std::exchange(evicted_before_, evictions_.load()) != evictions_)
    return;
  if (commits_ != given_back_at_) {
    ripen_ = 2;
  } else if (ripen_ == 0) {
    return;
  } else {
    --ripen_;
    auto tree = begin();
    tree.commit();
    publish(tree);
  }
  given_back_at_ = commits_;
  auto keep = least_kept + used_ / 6;
  if (env_.stats().free <= keep)
    return;
  auto n = env_.give_back(keep, give_back_step);
  given_back_.fetch_add(n, std::memory_order_relaxed);
  if (n > 0)
    given_back_at_ = 0; // there may be more
}

} // namespace terrace
