/// The disk tier: an actor that never blocks, in front of one thread that
/// writes and some that read.
///
/// Changes are handled in the order in which they arrive. Most are staged in
/// memory at once and acknowledged; a change that needs to know what is on disk
/// (a promotion, a removal, a version that is not the newest) asks a reader
/// first, and the changes behind it wait. Look-ups are answered from memory
/// if the changes that wait for the disk know all of the keys, by a reader
/// otherwise. They overtake changes that wait, but not those of their own keys:
/// who looks after a change was sent sees it.
///
/// Durability "interval": acknowledged when staged; a commit starts at the
/// latest half a `commit_interval` later, or when `commit_size` bytes wait, so
/// that it is over within the interval unless the device is slow or the commit
/// before takes long. "every-commit": acknowledged when the commit has
/// returned. Past `max_pending_size` writes wait for a commit, unless commits
/// fail: then they fail as well, as described in tiers/lmdb_store.hpp, and the
/// state is "degraded".
///
/// On exit: what waits its turn is answered with `shutting_down`, what was
/// staged is committed, then the threads end and the actor with them. A merge
/// that is under way is finished after the next start.
#pragma once

#include "actors/clock.hpp"
#include "actors/disk_reader.hpp"
#include "actors/disk_writer.hpp"
#include "actors/tier_counters.hpp"
#include "actors/tier_handle.hpp"
#include "config/options.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace terrace {

/// The tier with its messages to itself.
using disk_tier_actor = tier_actor::extend<
  // It is time for a commit.
  caf::reacts_to<commit_atom>,
  // It is time to look for expired entries.
  caf::reacts_to<sweep_atom>>;

struct disk_setup {
  disk_options opts;
  lmdb_store_ptr store;
  std::shared_ptr<tier_health> health;
  now_fn now;
  bool detached = true; ///< threads of their own for reading and writing
};

class disk_tier_state {
public:
  static inline const char* name = "terrace.disk";

  explicit disk_tier_state(disk_tier_actor::pointer self) : self_(self) {
    // nop
  }

  disk_tier_actor::behavior_type make_behavior(disk_setup setup);

private:
  using clock = std::chrono::steady_clock;

  template <class T>
  using promise = caf::typed_response_promise<T>;

  // -- changes that wait their turn -------------------------------------------

  struct store_op {
    entry_batch batch;
    bool if_absent = false;
    clock::time_point start;
    promise<store_report> reply;
  };

  struct remove_op {
    removals batch;
    promise<remove_report> reply;
  };

  struct purge_op {
    selector what;
    version_t up_to = 0;
    promise<std::uint64_t> reply;
  };

  /// A look-up of a key that a change before it in the line concerns.
  struct fetch_op {
    keys wanted;
    clock::time_point start;
    promise<lookups> reply;
  };

  using line_op = std::variant<store_op, remove_op, purge_op, fetch_op>;

  /// A change that is staged and acknowledged when a commit has taken it. The
  /// failure is empty on success.
  using held_op = std::function<void(const failure&)>;

  // -- look-ups that wait for a reader ----------------------------------------

  struct fetch_job {
    keys wanted;
    clock::time_point start;
    promise<lookups> reply;
  };

  struct probe_job {
    keys wanted;
    std::function<void(const lookups&)> then;
  };

  struct list_job {
    list_request request;
    promise<key_page> reply;
  };

  struct count_job {
    tenant_id tenant = 0;
    promise<std::uint64_t> reply;
  };

  /// The share of one request in the keys that went to a reader together.
  struct fetch_part {
    std::size_t size = 0;
    clock::time_point start;
    promise<lookups> reply;
  };

  using read_job = std::variant<fetch_job, probe_job, list_job, count_job>;

  // -- writing (disk_tier_write.cpp) ------------------------------------------

  caf::result<store_report> put(const entry_batch& xs, bool if_absent);

  caf::result<remove_report> remove(const removals& xs);

  caf::result<std::uint64_t> purge(const selector& what, version_t up_to);

  template <class F>
  static void each_hash(const line_op& op, F&& f);

  void enqueue(line_op op);

  void dequeue();

  bool in_line(const keys& xs) const;

  void run_line();

  bool full() const noexcept;

  bool handle(store_op& op);

  bool handle(remove_op& op);

  bool handle(purge_op& op);

  bool handle(fetch_op& op);

  void finish_purge(promise<std::uint64_t> reply, std::uint64_t n);

  void finish(const store_op& op, store_report report);

  void finish(const remove_op& op, remove_report report);

  void changed();

  void commit_later(milliseconds delay);

  void commit();

  void committed(bool merging);

  void commit_failed(const failure& why);

  void note_renewals();

  void sweep();

  void checkpoint();

  // -- reading (disk_tier_read.cpp) -------------------------------------------

  caf::result<lookups> fetch(const keys& xs);

  void probe(keys xs, std::function<void(const lookups&)> then);

  caf::result<key_page> list(const list_request& x);

  caf::result<std::uint64_t> count(tenant_id tenant);

  void dispatch();

  template <class T, class OnValue, class OnFailure, class... Ts>
  void ask(const disk_reader_actor& reader, OnValue on_value,
           OnFailure on_failure, Ts&&... xs);

  void run(const disk_reader_actor& reader, fetch_job first);

  void run(const disk_reader_actor& reader, probe_job job);

  void run(const disk_reader_actor& reader, list_job job);

  void run(const disk_reader_actor& reader, count_job job);

  void answer(std::vector<fetch_part> parts, lookups found);

  // -- life (disk_tier.cpp) ---------------------------------------------------

  void spawn_writer();

  disk_reader_actor spawn_thread();

  void spawn_reader();

  tier_status status();

  void reset();

  void exit(const caf::exit_msg& x);

  void stop(caf::error reason);

  void reject(store_op& op);

  void reject(remove_op& op);

  void reject(purge_op& op);

  void reject(fetch_op& op);

  void reject(fetch_job& job);

  void reject(probe_job& job);

  void reject(list_job& job);

  void reject(count_job& job);

  void end_if_idle();

  disk_tier_actor::pointer self_;          ///< the actor
  disk_setup setup_;                       ///< options and what is shared
  disk_writer_actor writer_;               ///< linked
  std::vector<disk_reader_actor> readers_; ///< linked
  std::vector<disk_reader_actor> idle_;    ///< readers without a job
  disk_reader_actor syncer_; ///< linked; makes checkpoints for durability "os"

  std::deque<line_op> line_; ///< changes in their order
  std::unordered_map<std::uint64_t, std::uint32_t> line_keys_; ///< by hash
  std::size_t line_purges_ = 0;    ///< purges in the line
  bool checking_ = false;          ///< the first of them waits for a reader
  std::vector<held_op> held_;      ///< wait for the next commit
  std::vector<held_op> in_commit_; ///< wait for the present commit
  bool committing_ = false;        ///< the writer is at it
  bool again_ = false;             ///< one more is wanted after it
  bool timer_ = false;             ///< a commit is due at some time
  bool sweeping_ = false;          ///< the writer has been asked to sweep
  bool syncing_ = false;           ///< a checkpoint is being made
  clock::time_point synced_;       ///< when the last one was begun
  std::uint64_t renewals_ = 0;     ///< of the engine, as far as logged
  failure why_;                    ///< last commit failed; empty if it did not
  milliseconds pause_{0};          ///< before the next try after a failure

  std::deque<read_job> reads_;   ///< jobs without a reader
  std::size_t waiting_keys_ = 0; ///< keys of the look-ups among them

  std::size_t in_flight_ = 0; ///< requests to the threads without an answer
  bool stopping_ = false;     ///< no new work is taken
  bool last_commit_ = false;  ///< the one before the end is over
  caf::error exit_reason_;    ///< given when it ends
  tier_counters counters_;    ///< of look-ups and writes
  tier_status baseline_;      ///< the engine's counters at the last reset
};

disk_tier_actor::behavior_type
disk_tier(disk_tier_actor::stateful_pointer<disk_tier_state> self,
          disk_setup setup);

/// Opens the store in directory `path` and spawns the tier. Errors of opening:
/// see `lmdb_store::open`. `dictionaries`: those of the node; null if it has
/// none.
expected<tier_handle>
spawn_disk_tier(caf::actor_system& sys, const disk_options& opts,
                const compression_options& compression, const std::string& path,
                now_fn now, dictionary_set_ptr dictionaries = nullptr);

} // namespace terrace
