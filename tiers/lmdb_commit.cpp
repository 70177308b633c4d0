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
constexpr std::uint64_t merge_at(std::uint64_t most) noexcept {
  return most / 2;
}

/// Changes copied out of the overlay at a time.
constexpr std::size_t portion = 1024;

/// A record of this size changes mostly pages of its own: writing it to the
/// journal first would only double the work.
constexpr std::size_t large_record = 32768;

/// How often a commit is tried that finds no free pages, with more room each
/// time.
constexpr int map_tries = 6;

} // namespace

// -- store --------------------------------------------------------------------

expected<lmdb_progress> lmdb_store::commit(std::int64_t now_ms) {
  std::lock_guard lock{writer_};
  auto before = lmdb_thread_writes();
  auto result = commit_locked(now_ms, false);
  count_written(before);
  return result;
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

// -- committing ---------------------------------------------------------------

expected<lmdb_progress> lmdb_store::commit_locked(std::int64_t now_ms,
                                                  bool directly) {
  auto relieved = false;
  auto renewed = false;
  for (auto tries = 0;; ++tries) {
    lmdb_fault fault;
    try {
      if (auto why = env_.lost(); why) {
        renewed = true;
        renew(why);
      }
      auto result = try_commit(now_ms, directly);
      failing_ = false;
      slice_limit_ = sizes_.slice;
      pace(true);
      return result;
    } catch (const lmdb_fault& x) {
      fault = x;
    } catch (const std::bad_alloc&) {
      fault.why = {errc::no_space, "not enough memory"};
    }
    overlay_.thaw();
    try {
      if (fault.why.code == errc::corrupt && !std::exchange(renewed, true)) {
        renew(fault.why);
        continue;
      }
      if (fault.map_full && tries < map_tries) {
        pace(false);
        make_room(tries * sizes_.spare / 2, now_ms);
        continue;
      }
      if (fault.why.code == errc::no_space) {
        slice_limit_ = std::max(slice_limit_ / 2, lmdb_min_slice);
        if (!std::exchange(relieved, true) && relieve(now_ms))
          continue;
      }
    } catch (const lmdb_fault& x) {
      fault = x;
    }
    note_failure(fault.why);
    return fault.why;
  }
}

lmdb_progress lmdb_store::try_commit(std::int64_t now_ms, bool directly) {
  env_.need_checkpoint();
  for (; !unwritten_.empty(); unwritten_.pop_back())
    write_purge(unwritten_.back().first, unwritten_.back().second, now_ms);
  keep_dictionaries(now_ms);
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
          && (directly || idle || waiting >= merge_at(sizes_.journal)))) {
    merge(now_ms);
  } else if (idle && (has_damage() || floor_ > state_.floor)) {
    auto tree = begin();
    finish(tree, now_ms);
  }
  return run_        ? lmdb_progress::merging
         : backlog() ? lmdb_progress::journal
                     : lmdb_progress::idle;
}

/// Makes `fresh` frozen changes durable, in one transaction if they are not
/// too many.
void lmdb_store::journal(std::size_t fresh, std::int64_t now_ms) {
  std::vector<std::size_t> merged;
  for (std::size_t next = 0; next < fresh;) {
    auto tree = begin();
    auto written = write_journal(tree, next, fresh, now_ms, merged);
    finish(tree, now_ms);
    journal_bytes_ += written;
  }
  overlay_.keep(merged);
}

/// One transaction that brings a slice of the journal into the tree.
void lmdb_store::merge(std::int64_t now_ms) {
  auto tree = begin();
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
    auto tree = begin();
    auto next = merge_slice(run.nodes, run.next, tree, now_ms, false, awaits);
    finish(tree, now_ms);
    run.next = next;
  }
  overlay_.drop_frozen();
}

/// Writes changes from `next` on, and moves it on. Those that went into the
/// tree are added to `merged`. Returns the bytes written to the journal.
std::uint64_t lmdb_store::write_journal(lmdb_tree& tree, std::size_t& next,
                                        std::size_t fresh, std::int64_t now_ms,
                                        std::vector<std::size_t>& merged) {
  // The journal that takes changes from this commit on.
  lmdb_journal_writer out{tree.txn(),
                          env_.tables().journal[tree.state().filling]};
  std::uint64_t written = 0;
  while (next < fresh && written < slice_limit_) {
    overlay_.copy_frozen(next, std::min(portion, fresh - next), changes_);
    for (auto& x : changes_) {
      if (written >= slice_limit_)
        break;
      auto i = next++;
      auto key = x.key();
      written += key.size() + x.data.value.size();
      if (x.removed) {
        out.remove(key, x.data.version);
        continue;
      }
      auto bytes = x.encoded.empty() ? encode(x) : x.encoded.view();
      if (bytes.size() >= large_record && x.data.version > tree.state().floor
          && overlay_.only_frozen(x)) {
        tree.put(key, x.data, bytes, until(x.data, now_ms));
        merged.push_back(i);
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
  auto end = std::min(xs.size(), next + changes_limit_);
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
      || (leaves != 0 && leaves <= now_ms)
      || tree.totals().fences().hides(key, x.data.tags, x.data.version)) {
    tree.remove(key, x.data.version);
    return 0;
  }
  auto encoded = x.encoded.empty() ? encode(x) : x.encoded.view();
  if (failing_ && slice_limit_ == lmdb_min_slice
      && encoded.size() > lmdb_min_slice) {
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

std::int64_t lmdb_store::until(const record& x,
                               std::int64_t now_ms) const noexcept {
  if (opts_.max_ttl.count() <= 0)
    return x.expires_ms;
  auto latest = now_ms + opts_.max_ttl.count();
  return x.expires_ms == 0 ? latest : std::min(latest, x.expires_ms);
}

} // namespace terrace
