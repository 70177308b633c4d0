/// The disk tier's engine: a tree in LMDB, a journal in front of it, and in
/// memory the changes that are on their way (overlay).
///
///     stage -> overlay -> commit -> journal -> merge -> tree
///
/// A change is visible as soon as it is staged, durable when the `commit` that
/// took it has returned, and exactly counted when it has reached the tree.
/// Small commits on an idle engine go straight into the tree. The reasons for
/// the journal are in lmdb_journal.hpp.
///
/// Threads: any thread may look up, list, count and stage. `commit`, `flush`,
/// `sweep`, `purge` and, through `store`, `put` and `remove` write to disk;
/// they may be called from any thread too, one at a time gets on.
///
/// Versions: what is staged is compared with the overlay and, unless it is
/// newer than everything that ever reached the tree, with the tree. A removal
/// leaves a marker until it has reached the tree; afterwards nothing tells that
/// the key was there.
///
/// Bound: what the files take on the device stays within `max_size`. An eighth
/// of it is kept free, since a commit writes new copies of pages before it may
/// use the old ones; the rest is for the tables, whose pages are about two
/// thirds full, and the journal. Who leaves: lmdb_clock.hpp. Values larger than
/// an eighth of the bound are refused.
///
/// What is refused: entries that are expired or too large, and new ones that
/// are not admitted (lmdb_admission.hpp). What they replace is deleted all the
/// same.
///
/// Clearing a tenant, a tag or everything takes a moment, however much it is
/// (lmdb_totals.hpp); `sweep` deletes the rows. So do counts.
///
/// When the disk is full, an eighth of the entries is evicted, since their
/// pages are then free, and the commit is tried again. The bound stays at what
/// is left until the device has room again. When a commit fails for good, its
/// changes stay in the overlay, visible, and the next commit tries again. While
/// that goes on and the overlay is past `max_pending_size`, values are given
/// up: the key is kept as a marker and becomes a miss, never an older value.
/// Past a quarter more, the markers are given up as well, and everything with a
/// version up to the highest one lost (the floor) is a miss, until it has been
/// purged after the next successful commit.
///
/// Damage: a record whose checksum does not hold is reported as `corrupt`,
/// counted, and deleted with the next commit. When a commit meets a damaged
/// page, a page of the map cannot be read, or the directory has been removed,
/// the store starts anew with empty files; what waits in memory is kept.
#pragma once

#include "config/options.hpp"
#include "tiers/codec.hpp"
#include "tiers/lmdb_admission.hpp"
#include "tiers/lmdb_clock.hpp"
#include "tiers/lmdb_env.hpp"
#include "tiers/lmdb_merge.hpp"
#include "tiers/lmdb_overlay.hpp"
#include "tiers/lmdb_tree.hpp"
#include "tiers/store.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace terrace {

/// A purge under way; see `lmdb_store::purge_some`.
struct lmdb_purge {
  selector what;
  version_t up_to = 0;
  std::uint64_t purged = 0;
  bool begun = false;
  std::string cursor;
};

/// Entries and what they take on disk.
struct lmdb_group {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
};

/// What is left to do after a commit.
enum class lmdb_progress {
  idle,    ///< everything is in the tree
  journal, ///< changes are in the journal; commit again within the usual time
  merging, ///< a merge is under way; commit again at once
};

class lmdb_store final : public store {
public:
  // -- constructors -----------------------------------------------------------

  /// Opens the store in directory `path`, which is created if absent, in a time
  /// that does not depend on its size; only the journal is read (at most about
  /// `max_pending_size`). Errors: see `lmdb_env`, and `unsupported_format` for
  /// files of another version of Terrace.
  /// `dictionaries`: those of the node; null if it has none.
  static expected<std::unique_ptr<lmdb_store>>
  open(const disk_options& opts, const compression_options& compression,
       const std::string& path, dictionary_set_ptr dictionaries = nullptr);

  // -- store: each call returns when it is in the tree
  // -------------------------

  tier_kind kind() const noexcept override {
    return tier_kind::disk;
  }

  lookups fetch(std::span<const std::string> xs, std::int64_t now_ms) override;

  store_report put(std::span<const entry> xs, bool if_absent,
                   std::int64_t now_ms) override;

  remove_report remove(std::span<const removal> xs,
                       std::int64_t now_ms) override;

  expected<std::uint64_t> purge(const selector& what, version_t up_to,
                                std::int64_t now_ms) override;

  expected<key_page> list(tenant_id tenant, const std::string& glob,
                          const std::string& cursor, std::size_t budget,
                          std::int64_t now_ms) override;

  /// Exact. Takes the longer the more changes wait for the tree, about a
  /// microsecond each.
  expected<std::uint64_t> count(tenant_id tenant) override;

  std::size_t sweep(std::int64_t now_ms, std::size_t budget) override;

  void describe(tier_status& out) override;

  // -- staging: never touches the disk ----------------------------------------

  /// Answers from the overlay. False if it does not know all keys; `out` is
  /// then of no use.
  bool fetch_staged(std::span<const std::string> xs, std::int64_t now_ms,
                    lookups& out);

  /// Stages all of `xs`, or nothing and returns false if `probe` is needed.
  bool try_stage(std::span<const entry> xs, bool if_absent, std::int64_t now_ms,
                 store_report& out);

  bool try_stage(std::span<const removal> xs, std::int64_t now_ms,
                 remove_report& out);

  /// Stages with the knowledge from `probe`, between which and this call
  /// nothing else may have been staged for these keys.
  store_report stage(std::span<const entry> xs, bool if_absent,
                     const lookups& known, std::int64_t now_ms);

  remove_report stage(std::span<const removal> xs, const lookups& known,
                      std::int64_t now_ms);

  /// Bytes that no commit has taken yet.
  std::uint64_t staged_bytes() const noexcept {
    return overlay_.staged_bytes();
  }

  /// Bytes of memory that wait for the disk in any way.
  std::uint64_t pending_bytes() const noexcept {
    return overlay_.bytes();
  }

  /// Whether as much waits as may: for the next commit, which would take long
  /// otherwise, in memory at all, or in the journal.
  bool full() const noexcept {
    return overlay_.staged_bytes() > 2 * opts_.commit_size
           || overlay_.bytes() > opts_.max_pending_size
           || journal_bytes_.load() > sizes_.journal;
  }

  /// How often the store had to start anew, and why it did last.
  std::uint64_t renewals() const noexcept {
    return renewals_.load();
  }

  /// With durability "os": brings what has been committed to the device; what a
  /// power cut takes back to. Takes as long as that takes, and nobody waits for
  /// it. May be called from any thread.
  expected<void> checkpoint();

  /// Whether opening took the files back to an earlier commit, because the
  /// machine had gone down (durability "os").
  bool restored() const noexcept {
    return env_.restored();
  }

  failure last_failure() const {
    std::lock_guard lock{mutex_};
    return last_failure_;
  }

  // -- reading ----------------------------------------------------------------

  /// Look-ups without values: `data.version` is set if there is a record, and
  /// the outcome is a hit if it is live.
  lookups probe(std::span<const std::string> xs, std::int64_t now_ms);

  // -- writing ----------------------------------------------------------------

  /// Makes what is staged durable and goes on with the merge. On failure
  /// nothing is lost: the changes are visible as before, and the next commit
  /// takes them.
  expected<lmdb_progress> commit(std::int64_t now_ms);

  /// Commits until everything staged before the call is in the tree.
  expected<void> flush(std::int64_t now_ms);

  /// One step of a purge: at most some thousand entries, so that commits get
  /// their turn. True: `x.purged` is final. What was selected is invisible from
  /// the first step on.
  expected<bool> purge_some(lmdb_purge& x, std::int64_t now_ms);

private:
  lmdb_store(const disk_options& opts, const compression_options& compression,
             const std::string& path, dictionary_set_ptr dictionaries);

  // reading (lmdb_store.cpp)

  lookup answer(record x, lmdb_overlay::state what, std::int64_t now_ms) const;

  lookup answer(const lmdb_node& x, std::int64_t now_ms) const;

  lookup read(lmdb_read& txn, const std::string& key, std::int64_t now_ms,
              bool with_value);

  lookup corrupt(const std::string& key, std::string_view row);

  bool assemble(lmdb_read& txn, const lmdb_row& row, std::string& out);

  bool hidden(std::string_view key, std::string_view bytes,
              version_t version) const;

  lookups look_up(std::span<const std::string> xs, std::int64_t now_ms,
                  bool with_value);

  // staging (lmdb_staging.cpp)

  void stage_one(const entry& x, const lmdb_probe& key, bool if_absent,
                 const lookup* known, std::int64_t now_ms, store_report& out);

  bool stage_one(const removal& x, const lookup* known, std::int64_t now_ms);

  void stage_marker(const lmdb_probe& key, const lmdb_node* above,
                    version_t version);

  bool fits(const entry& x) const noexcept;

  bool admits(const lmdb_probe& key, const lmdb_node* above,
              const lookup* known, std::int64_t now_ms) noexcept;

  bool overfull() const noexcept;

  void give_up(const lmdb_probe& key, version_t version);

  std::uint64_t hide_staged(const lmdb_purge& x, std::int64_t now_ms);

  // counting (lmdb_survey.cpp)

  lmdb_group shadowed(tenant_id tenant, const std::string* tag,
                      std::int64_t* records);

  // writing (lmdb_commit.cpp)

  expected<lmdb_progress> commit_locked(std::int64_t now_ms, bool directly);

  lmdb_progress try_commit(std::int64_t now_ms, bool directly);

  void journal(std::size_t fresh, std::int64_t now_ms);

  void merge(std::int64_t now_ms);

  void merge_directly(std::int64_t now_ms);

  std::uint64_t write_journal(lmdb_tree& tree, std::size_t& next,
                              std::size_t fresh, std::int64_t now_ms,
                              std::vector<std::size_t>& merged);

  std::size_t merge_slice(std::span<lmdb_node* const> xs, std::size_t begin,
                          lmdb_tree& tree, std::int64_t now_ms, bool skip_newer,
                          bool& awaits);

  std::uint64_t merge_change(const lmdb_change& x, lmdb_tree& tree,
                             std::int64_t now_ms);

  bool cramped() const noexcept {
    return slice_limit_ < sizes_.slice;
  }

  void pace(bool ample) noexcept;

  std::string_view encode(const lmdb_change& x);

  std::int64_t until(const record& x, std::int64_t now_ms) const noexcept;

  // around a transaction (lmdb_upkeep.cpp)

  lmdb_tree begin();

  bool has_damage() const;

  void finish(lmdb_tree& tree, std::int64_t now_ms);

  void publish(lmdb_tree& tree);

  void count_written(std::uint64_t before);

  void make_room(std::uint64_t bytes, std::int64_t now_ms);

  bool relieve(std::int64_t now_ms);

  void renew(const failure& why);

  void note_failure(const failure& why);

  struct cleared {
    std::uint64_t entries = 0; ///< live ones
    bool whole = false;        ///< nothing is left to be looked for
  };

  std::vector<std::string> groups_of(const selector& what) const;

  cleared clear(const selector& what, version_t up_to, std::int64_t now_ms);

  void hide(const selector& what, version_t up_to);

  void write_purge(const selector& what, version_t up_to, std::int64_t now_ms);

  void sweep_failed(const failure& why);

  std::size_t sweep_step(std::size_t budget, std::int64_t now_ms);

  std::size_t sweep_floor(lmdb_tree& tree, std::size_t budget,
                          std::int64_t now_ms);

  void give_back();

  void keep_dictionaries(std::int64_t now_ms);

  void drop_dictionaries(std::int64_t now_ms);

  /// Sizes that follow from the bound.
  struct sizes {
    explicit sizes(const disk_options& opts) noexcept;

    std::uint64_t tables;  ///< bytes of pages in use, at most
    std::uint64_t spare;   ///< kept free
    std::uint64_t journal; ///< bytes in one journal, at most about
    std::uint64_t slice;   ///< bytes written by one transaction, about
    std::size_t changes;   ///< made by one transaction, to begin with
  };

  disk_options opts_;
  const sizes sizes_;
  codec codec_;
  std::string path_;
  lmdb_env env_;
  lmdb_clock clock_;
  lmdb_admission admission_;
  lmdb_overlay overlay_;

  lmdb_dictionaries dictionaries_; ///< guarded by `writer_`

  std::mutex writer_; /// held by whoever writes; guards the next twelve
  std::optional<lmdb_merge> run_;
  std::vector<lmdb_change> changes_; /// scratch
  std::string encoded_;              /// scratch
  std::string floor_cursor_;
  std::string reclaim_cursor_;
  version_t swept_floor_ = 0;
  std::uint64_t slice_limit_; /// bytes of one slice of a merge, now
  std::size_t changes_limit_; /// changes of one transaction, now
  std::vector<std::pair<selector, version_t>> unwritten_; ///< purges
  int ripen_ = 0; ///< commits until all free pages can be given back
  std::uint64_t evicted_before_ = 0; ///< evictions at the last look
  std::uint64_t given_back_at_ = 0;  /// commits when pages were last given back

  mutable std::mutex mutex_; /// guards the next five; never held while waiting
  lmdb_state state_;         /// as of the last commit
  lmdb_fences fences_;       /// likewise
  std::map<tenant_id, lmdb_total> tenants_;                       /// likewise
  std::vector<std::pair<std::string, std::uint64_t>> quarantine_; /// key, print
  failure last_failure_;

  std::atomic<bool> fenced_{false};             /// `fences_` is not empty
  std::atomic<std::uint64_t> limit_;            /// bytes of pages in use, now
  std::atomic<std::uint64_t> journal_bytes_{0}; /// in what takes new changes
  std::atomic<version_t> max_version_{0}; /// highest that reached the tree
  std::atomic<version_t> floor_{0};
  std::atomic<bool> failing_{false};
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::uint64_t> commit_errors_{0};
  std::atomic<std::uint64_t> evictions_{0};
  std::atomic<std::uint64_t> expirations_{0};
  std::atomic<std::uint64_t> given_up_{0};
  std::atomic<std::uint64_t> not_admitted_{0};
  std::atomic<std::uint64_t> accepted_bytes_{0}; ///< of keys and values staged
  std::atomic<std::uint64_t> written_bytes_{0};  ///< to the device
  std::atomic<std::uint64_t> quarantined_{0};
  std::atomic<std::uint64_t> renewals_{0};
  std::atomic<std::uint64_t> given_back_{0};
  std::atomic<std::uint64_t> used_{0}; /// bytes of pages in use
};

} // namespace terrace
