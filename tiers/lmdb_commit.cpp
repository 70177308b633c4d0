// Bringing changes to disk.

#include "tiers/lmdb_journal.hpp"
#include "tiers/lmdb_store.hpp"

#include <algorithm>
#include <new>

namespace terrace {

namespace {

/// Up to this many changes go straight into the tree when nothing else waits:
/// at most some hundred pages, and counts are exact at once.
constexpr std::size_t direct_changes = 256;

/// A merge begins when this much waits, in memory or in the journal, or when
/// there is no new change. The more, the less is written per change: a merge
/// rewrites every page of the tree once at worst, however many changes fall on
/// it. The other half is for changes that come in meanwhile.
constexpr std::uint64_t merge_at(std::uint64_t max_pending_size) noexcept {
  return max_pending_size / 2;
}

/// Changes copied out of the overlay at a time.
constexpr std::size_t portion = 1024;

/// One slice of a merge. On a full disk slices are halved down to the minimum;
/// a value that is larger than that is given up then.
constexpr std::size_t slice_changes = 8192;
constexpr std::uint64_t min_slice = 128ull << 10;

/// A record of this size changes mostly pages of its own: writing it to the
/// journal first would only double the work.
constexpr std::size_t large_record = 32768;

/// Entries evicted, or rows purged, in one transaction.
constexpr std::size_t eviction_step = 100000;
constexpr std::size_t purge_step = 8192;

} // namespace

// -- store --------------------------------------------------------------------

expected<lmdb_progress> lmdb_store::commit(std::int64_t now_ms) {
  std::lock_guard lock{writer_};
  return commit_locked(now_ms, false);
}

expected<void> lmdb_store::flush(std::int64_t now_ms) {
  std::lock_guard lock{writer_};
  for (;;) {
    auto state = commit_locked(now_ms, true);
    if (!state)
      return state.error();
    if (*state == lmdb_progress::idle)
      return {};
  }
}

expected<bool> lmdb_store::purge_some(lmdb_purge& x, std::int64_t now_ms) {
  std::lock_guard lock{writer_};
  try {
    if (!x.begun) {
      x.purged += hide_staged(x, now_ms);
      x.begun = true;
    }
    auto newer = [this](const std::string& key) {
      return overlay_.bytes() != 0
             && overlay_.locked([&] { return overlay_.peek(key) != nullptr; });
    };
    lmdb_tree tree{env_, next_state()};
    auto done = tree.purge(x.what, x.up_to, x.cursor, purge_step, now_ms,
                           newer);
    finish(tree, now_ms);
    x.purged += tree.purged;
    return done;
  } catch (const lmdb_fault& fault) {
    return fault.why;
  } catch (const std::bad_alloc&) {
    return failure{errc::no_space, "not enough memory"};
  }
}

std::size_t lmdb_store::sweep(std::int64_t now_ms, std::size_t budget) {
  std::lock_guard lock{writer_};
  if (limit_ < opts_.max_size && env_.device_free() > opts_.max_size / 4)
    limit_ = opts_.max_size;
  try {
    if (next_state().floor == 0 && state_.bytes <= limit_
        && !lmdb_expiry_due(env_, now_ms))
      return budget;
    lmdb_tree tree{env_, next_state()};
    auto left = sweep_floor(tree, tree.expire(budget, now_ms), now_ms);
    finish(tree, now_ms);
    if (tree.state().floor == 0) {
      // Unless it was raised meanwhile.
      auto swept = swept_floor_;
      floor_.compare_exchange_strong(swept, 0);
    }
    return left;
  } catch (const lmdb_fault& x) {
    note_failure(x.why);
  } catch (const std::bad_alloc&) {
    note_failure({errc::no_space, "not enough memory"});
  }
  return budget; // the next sweep tries again
}

// -- committing ---------------------------------------------------------------

expected<lmdb_progress> lmdb_store::commit_locked(std::int64_t now_ms,
                                                  bool directly) {
  for (auto again = true;; again = false) {
    failure why;
    try {
      auto result = try_commit(now_ms, directly);
      failing_ = false;
      slice_limit_ = lmdb_max_slice;
      return result;
    } catch (const lmdb_fault& x) {
      why = x.why;
    } catch (const std::bad_alloc&) {
      why = {errc::no_space, "not enough memory"};
    }
    overlay_.thaw();
    if (why.code == errc::no_space) {
      slice_limit_ = std::max(slice_limit_ / 2, min_slice);
      if (again && relieve(now_ms))
        continue;
    }
    note_failure(why);
    return why;
  }
}

lmdb_progress lmdb_store::try_commit(std::int64_t now_ms, bool directly) {
  auto backlog = [&] { return run_ || overlay_.journaled(); };
  // On a full disk everything goes in small portions, without the journal.
  if (cramped())
    while (backlog())
      merge(now_ms);
  auto fresh = overlay_.freeze();
  auto idle = fresh == 0;
  if (!idle && !backlog()
      && (directly || cramped() || fresh <= direct_changes)) {
    merge_directly(now_ms);
    return lmdb_progress::idle;
  }
  // First what is not durable yet, then a slice that may take a while.
  if (!idle)
    journal(fresh, now_ms);
  auto waiting = std::max(overlay_.bytes() - overlay_.staged_bytes(),
                          journal_bytes_.load());
  if (run_
      || (overlay_.journaled()
          && (directly || idle
              || waiting >= merge_at(opts_.max_pending_size)))) {
    merge(now_ms);
  } else if (idle && (has_damage() || next_state().floor != state_.floor)) {
    lmdb_tree tree{env_, next_state()};
    finish(tree, now_ms);
  }
  return run_        ? lmdb_progress::merging
         : backlog() ? lmdb_progress::journal
                     : lmdb_progress::idle;
}

/// One transaction that makes `fresh` frozen changes durable.
void lmdb_store::journal(std::size_t fresh, std::int64_t now_ms) {
  std::vector<std::size_t> merged;
  lmdb_tree tree{env_, next_state()};
  auto written = write_journal(tree, fresh, now_ms, merged);
  finish(tree, now_ms);
  journal_bytes_ += written;
  overlay_.keep(merged);
}

/// One transaction that brings a slice of the journal into the tree.
void lmdb_store::merge(std::int64_t now_ms) {
  lmdb_tree tree{env_, next_state()};
  auto starts = !run_;
  if (starts)
    tree.state().filling ^= 1;
  auto next = std::size_t{0};
  auto ends = false;
  try {
    if (starts)
      run_.emplace(overlay_.begin_merge());
    // A key that has been changed since is left out, because its change comes
    // through the other journal. This one is emptied when that has it.
    auto awaits = false;
    next = merge_slice(run_->nodes, run_->next, tree, now_ms, !cramped(),
                       awaits);
    ends = next == run_->nodes.size() && !awaits;
    if (ends)
      tree.txn().clear(env_.tables().journal[tree.state().filling ^ 1]);
    finish(tree, now_ms);
  } catch (...) {
    if (starts) {
      run_.reset();
      overlay_.cancel_merge();
    }
    throw;
  }
  // It is on disk: now the memory follows.
  if (starts)
    journal_bytes_ = 0;
  run_->next = next;
  if (ends) {
    run_.reset();
    overlay_.end_merge();
  }
}

void lmdb_store::merge_directly(std::int64_t now_ms) {
  lmdb_merge run{overlay_.frozen()};
  auto awaits = false;
  while (run.next < run.nodes.size()) {
    lmdb_tree tree{env_, next_state()};
    auto next = merge_slice(run.nodes, run.next, tree, now_ms, false, awaits);
    finish(tree, now_ms);
    run.next = next;
  }
  overlay_.drop_frozen();
}

std::uint64_t lmdb_store::write_journal(lmdb_tree& tree, std::size_t fresh,
                                        std::int64_t now_ms,
                                        std::vector<std::size_t>& merged) {
  // The journal that takes changes from this commit on.
  lmdb_journal_writer out{tree.txn(),
                          env_.tables().journal[tree.state().filling]};
  for (std::size_t i = 0; i < fresh; i += portion) {
    overlay_.copy_frozen(i, std::min(portion, fresh - i), changes_);
    for (auto& x : changes_) {
      auto key = x.key();
      if (x.removed) {
        out.remove(key, x.data.version);
        continue;
      }
      auto bytes = x.encoded.empty() ? encode(x) : x.encoded.view();
      if (bytes.size() >= large_record && x.data.version > tree.state().floor
          && overlay_.only_frozen(x)) {
        tree.put(key, x.data, bytes, until(x.data, now_ms));
        merged.push_back(i + static_cast<std::size_t>(&x - changes_.data()));
        continue;
      }
      out.put(key, bytes);
      if (x.encoded.empty() && bytes.size() < x.data.value.size())
        overlay_.keep_encoded(x, blob::copy(bytes)); // not compressed twice
    }
  }
  changes_.clear();
  return out.finish();
}

/// Returns the first of `xs` that is left. `awaits`: one of those left out has
/// a change that is not in the journal yet.
std::size_t lmdb_store::merge_slice(std::span<lmdb_node* const> xs,
                                    std::size_t begin, lmdb_tree& tree,
                                    std::int64_t now_ms, bool skip_newer,
                                    bool& awaits) {
  auto next = begin;
  auto end = std::min(xs.size(), next + slice_changes);
  for (std::uint64_t bytes = 0; next < end && bytes < slice_limit_;) {
    auto some = xs.subspan(next, std::min(end - next, portion));
    awaits |= overlay_.copy_merging(some, skip_newer, changes_);
    auto change = changes_.begin();
    for (std::size_t i = 0; i < some.size() && bytes < slice_limit_; ++i) {
      ++next;
      if (change != changes_.end() && change->node == some[i])
        bytes += merge_change(*change++, tree, now_ms);
    }
  }
  changes_.clear();
  return next;
}

/// Returns the bytes written.
std::uint64_t lmdb_store::merge_change(const lmdb_change& x, lmdb_tree& tree,
                                       std::int64_t now_ms) {
  auto key = x.key();
  auto leaves = until(x.data, now_ms);
  if (x.removed || x.data.version <= tree.state().floor
      || (leaves != 0 && leaves <= now_ms)) {
    tree.remove(key, x.data.version);
    return 0;
  }
  auto encoded = x.encoded.empty() ? encode(x) : x.encoded.view();
  if (slice_limit_ == min_slice && encoded.size() > min_slice) {
    tree.remove(key, x.data.version);
    given_up_.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  tree.put(key, x.data, encoded, leaves);
  return key.size() + encoded.size();
}

std::string_view lmdb_store::encode(const lmdb_change& x) {
  encoded_.clear();
  // Sizes were checked when the change was staged: only memory can be short.
  if (auto ok = codec_.encode(x.key(), x.data, encoded_); !ok)
    throw lmdb_fault{ok.error()};
  return encoded_;
}

// -- around a transaction -----------------------------------------------------

lmdb_state lmdb_store::next_state() const {
  auto result = state_;
  result.floor = std::max(result.floor, floor_.load(std::memory_order_acquire));
  return result;
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
  for (auto& [key, seq] : damaged)
    tree.discard(key, seq);
  auto within = tree.evict(limit_, eviction_step, now_ms);
  tree.commit();
  publish(tree);
  quarantined_.fetch_add(damaged.size(), std::memory_order_relaxed);
  // What was given to this transaction is on disk whatever happens now, and the
  // next one goes on with evicting.
  try {
    while (!within) {
      lmdb_tree more{env_, state_};
      within = more.evict(limit_, eviction_step, now_ms);
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
  max_version_.store(tree.state().max_version, std::memory_order_release);
  std::lock_guard lock{mutex_};
  state_ = tree.state();
  for (auto& [tenant, change] : tree.count_changes()) {
    auto n = static_cast<std::int64_t>(counts_[tenant]) + change;
    counts_[tenant] = static_cast<std::uint64_t>(std::max<std::int64_t>(n, 0));
  }
}

/// Makes room on a full disk, and keeps it: the bound is lowered to what is
/// left, because from now on a commit lives on the free pages inside the file.
/// Deleting takes new pages before it gives old ones back, so the reserve is
/// spent on it, and the steps become smaller until one succeeds.
bool lmdb_store::relieve(std::int64_t now_ms) {
  auto wanted = state_.entries / 8 + 1;
  std::uint64_t done = 0;
  env_.release_reserve();
  // Pages are free for use one commit after the one that gave them back: hence
  // one more, which deletes nothing.
  auto finished = false;
  for (auto step = wanted; step > 0 && !finished;) {
    try {
      lmdb_tree tree{env_, next_state()};
      if (done < wanted)
        tree.evict(0, std::min<std::size_t>(step, eviction_step), now_ms);
      auto n = tree.evicted + tree.expired;
      tree.commit();
      publish(tree);
      done += n;
      finished = n == 0;
    } catch (const lmdb_fault&) {
      step /= 2;
    }
  }
  if (done > 0)
    limit_ = std::max<std::uint64_t>(state_.bytes, min_slice);
  env_.keep_reserve();
  return done > 0;
}

void lmdb_store::note_failure(const failure& why) {
  commit_errors_.fetch_add(1, std::memory_order_relaxed);
  std::lock_guard lock{mutex_};
  last_failure_ = why;
  failing_ = true;
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

std::int64_t lmdb_store::until(const record& x,
                               std::int64_t now_ms) const noexcept {
  if (opts_.max_ttl.count() <= 0)
    return x.expires_ms;
  auto latest = now_ms + opts_.max_ttl.count();
  return x.expires_ms == 0 ? latest : std::min(latest, x.expires_ms);
}

} // namespace terrace
