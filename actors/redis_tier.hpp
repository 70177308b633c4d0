/// The Redis tier (L2). The actor itself never blocks: it queues, merges, keeps
/// order, and gives jobs to workers that own a connection each and may block.
///
/// Connections. Look-ups go to any free reader; those that find none wait, and
/// what waits becomes one pipeline of up to `max_batch` keys. Everything that
/// changes something goes through one writer, in the order of arrival.
///
/// Failure. A timeout, or some failures in a row, open the circuit breaker: all
/// that waits or is under way is answered at once, and so is all that comes
/// while it is open, even though workers may still be stuck in a blocking call.
/// So no request waits for longer than one command's time limit. What was to be
/// written or deleted is noted (tiers/missed_writes.hpp). From time to time a
/// probe is sent; when it succeeds, what was missed is replayed, and only then
/// look-ups are served again. Nobody has to do anything, and a server that is
/// absent when the node starts is treated in the same way.
///
/// A write that fails for another reason (the server is full, or read-only) is
/// noted as well, and retried; until then, the older record in Redis is hidden.
/// So it is when one of several servers fails: the breaker opens only if none
/// answers, and each server has one of its own (tiers/redis_node.hpp).
#pragma once

#include "actors/clock.hpp"
#include "actors/redis_request.hpp"
#include "actors/redis_worker.hpp"
#include "actors/tier_counters.hpp"
#include "actors/tier_handle.hpp"
#include "tiers/backplane_gauge.hpp"
#include "tiers/circuit_breaker.hpp"

#include <spdlog/spdlog.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace terrace {

using node_beat_ptr = std::shared_ptr<node_beat>;

} // namespace terrace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(terrace::node_beat_ptr)

namespace terrace {

using redis_tier_actor = tier_actor::extend_with<lease_actor>::
  extend_with<shared_tier_actor>::extend<
    // Publishes a sign of life of this node when all changes that came before
    // have been made, or noted as missed. True if it was published.
    caf::replies_to<beat_atom, node_beat_ptr>::with<bool>,
    // Another node changed or purged this: older changes that wait to be made
    // up for are not. Answers how many waited.
    caf::replies_to<forget_atom, removals>::with<std::uint64_t>,
    caf::replies_to<forget_atom, selector, version_t>::with<std::uint64_t>,
    // Looks after connections and time limits; sent by the actor to itself.
    caf::reacts_to<tick_atom>,
    // Gives what waits to the connections; likewise.
    caf::reacts_to<flush_atom>>;

/// What the tier is made of. Tests put in workers of their own.
struct redis_tier_setup {
  redis_options opts;
  std::string where; ///< the server, for logs
  std::shared_ptr<codec> coder;
  std::shared_ptr<redis_figures> figures;
  std::shared_ptr<redis_topology> topology;
  std::shared_ptr<tier_health> health;
  std::function<redis_worker_actor(const char* client_name)> spawn_worker;
  now_fn now; ///< Unix milliseconds
  /// Says whether old entries may be given to others; null: always.
  std::shared_ptr<const backplane_gauge> gauge;
};

class redis_tier_state {
public:
  static inline const char* name = "terrace.redis";

  explicit redis_tier_state(redis_tier_actor::pointer self) : self_(self) {
    // nop
  }

  redis_tier_actor::behavior_type make_behavior(redis_tier_setup setup);

private:
  // -- types ------------------------------------------------------------------

  /// A connection and what it is busy with.
  struct slot {
    redis_worker_actor worker;
    bool busy = false; ///< the worker has a job
    /// Those whom the job is for; empty if they were answered without it.
    std::vector<redis_request> requests;
    tick_time due; ///< when they are answered without it at the latest
    /// Replayed since the job began, which may have read what was before.
    std::vector<missed_batch> replayed;
  };

  using queue = std::deque<redis_request>;

  static constexpr std::size_t writer = 0; ///< in `slots_`; others read

  // -- requests (redis_tier.cpp) ----------------------------------------------

  caf::result<lookups> fetch(keys wanted);

  caf::result<store_report> store(entry_batch batch, bool if_absent);

  caf::result<remove_report> remove(removals gone);

  caf::result<bool> beat(const node_beat& x);

  caf::result<std::uint64_t> lease(std::string key, std::string owner,
                                   milliseconds limit);

  void release(std::string key, std::string owner);

  caf::result<lookup> look(std::string key);

  caf::result<bool> swap(guarded_change x);

  caf::result<std::uint64_t> purge(const selector& what, version_t up_to);

  caf::result<key_page> list(list_request wanted);

  caf::result<std::uint64_t> count(tenant_id tenant);

  tier_status status();

  void reset();

  /// Queues a request, or answers it at once if that cannot be.
  void take(queue& to, redis_request x);

  /// Keeps older missed writes from being replayed after `x`.
  void supersede(const redis_request& x);

  void enqueue(queue& to, redis_request x);

  // -- answers (redis_answer.cpp) ---------------------------------------------

  /// Answers the requests of a slot with the results of its job.
  void answer(std::vector<redis_request>& to, redis_job& job);

  void answer_fetch(std::vector<redis_request>& to, fetch_job& done);

  /// Makes misses of what is older than something that was missed; `replayed`
  /// is that of the slot.
  void hide_stale(fetch_job& done, const std::vector<missed_batch>& replayed);

  void answer_store(std::vector<redis_request>& to,
                    const std::vector<redis_store::put_outcome>& outcomes,
                    const failure& why);

  void answer_remove(std::vector<redis_request>& to, const remove_job& done,
                     const failure& why);

  void answer_swaps(std::vector<redis_request>& to, const swap_job& done,
                    const failure& why);

  void answer_purge(redis_request& to, redis_store::purge_page& page);

  void answer_list(redis_request& to, key_page& page);

  /// Answers without a result, and notes what was to be changed.
  void fail(redis_request& x, const failure& why);

  /// Notes that a change that came at this time is not in Redis.
  void fall_behind(tick_time since);

  void deliver(fetch_request& to, lookups found, tick_time now);

  void deliver(store_request& to, store_report report);

  // -- connections (redis_link.cpp) -------------------------------------------

  void add_slot();

  slot* free_reader();

  /// Takes the first request out of a queue.
  redis_request pop(queue& from);

  void send_flush();

  /// Starts what can be started, once nothing more comes at the moment: what
  /// comes together shall go in one pipeline.
  void flush();

  /// Starts what can be started.
  void pump();

  void start_reading(slot& on);

  void start_writing(slot& on);

  /// Merge what follows `x`, the first request of the slot, and is like it.
  fetch_job gather_fetches(slot& on, fetch_request& x);

  store_job gather_stores(slot& on, const store_request& x);

  remove_job gather_removes(slot& on, const remove_request& x);

  swap_job gather_swaps(slot& on, swap_request& x);

  fetch_job gather_looks(slot& on, look_request& x);

  void start(slot& on, decltype(redis_job::task) task);

  /// A worker's own time limits hold per step. This one holds for a whole job,
  /// and catches what they do not: a resolver that hangs, a server that drips.
  milliseconds longest_time(const redis_job& job) const;

  void job_done(std::size_t index, redis_job& job);

  /// Replaces a worker that died. False if `addr` is none of ours.
  bool replace_worker(const caf::actor_addr& addr);

  // -- failure and recovery (redis_recovery.cpp) ------------------------------

  /// Tells the breaker how a job ended.
  void judge(const std::vector<redis_request>& of, const redis_job& job);

  /// Opens the breaker, or lets a failed probe count.
  void suspect(const failure& why, bool at_once);

  /// The breaker is open: answers everything.
  void go_down();

  void come_up();

  /// Replays what is missed, or comes up if nothing is.
  void go_on_recovering();

  bool may_replay() const;

  void enqueue_replay();

  /// `done`: what the tier has taken. `local`: the failure is that of one
  /// server.
  void replay_done(const missed_batch& done, const failure& why, bool local);

  void tick();

  void check_patience(tick_time now);

  void check_health(tick_time now);

  /// Makes sure that a tick comes when there is something to look after.
  void schedule();

  /// Notices servers, of several, that have gone down or come up.
  void look_after_servers();

  void tick_by(tick_time at);

  void shut_down(const caf::error& reason);

  redis_tier_actor::pointer self_; ///< the actor
  redis_tier_setup setup_;         ///< configuration and what is shared
  std::optional<circuit_breaker> breaker_;
  std::optional<missed_writes> missed_;
  std::vector<slot> slots_;               ///< the writer, then the readers
  queue reads_;                           ///< wait for a reader
  queue writes_;                          ///< wait for the writer
  std::size_t waiting_ = 0;               ///< weight of both queues
  std::optional<std::size_t> flush_;      ///< sent when so much waited
  bool replaying_ = false;                ///< a replay waits or is under way
  bool last_lap_ = false;                 ///< it is the last before coming up
  failure write_trouble_;                 ///< why a replay failed last
  std::optional<tick_time> retry_;        ///< when to replay while it is up
  std::optional<tick_time> look_;         ///< when to ask servers that are down
  std::size_t down_ = 0;                  ///< servers, of several, last time
  tick_time last_reply_;                  ///< when a connection answered last
  std::optional<tick_time> next_tick_;    ///< the earliest on its way
  tier_counters counters_;                ///< since start or reset
  std::uint64_t replayed_ = 0;            ///< changes, likewise
  std::optional<tick_time> behind_since_; ///< when it first missed a change
  std::uint64_t withheld_ = 0;            ///< promotions, likewise
  std::uint64_t hidden_ = 0;              ///< stale records found, likewise
  codec::figures codec_baseline_;         ///< at the last reset
  tier_status server_;                    ///< what the last probe brought
  spdlog::logger* log_ = nullptr;         ///< component "redis"
};

redis_tier_actor::behavior_type
redis_tier(redis_tier_actor::stateful_pointer<redis_tier_state> self,
           redis_tier_setup setup);

/// What a tier shares with the backplane; both null if there is none.
struct redis_backplane {
  std::shared_ptr<redis_announcer> announcer;
  std::shared_ptr<const backplane_gauge> gauge;
};

/// Spawns the tier with its workers. Fails with `invalid_argument` on a bad
/// URL, and never because of the server. Ends when it is sent an exit message;
/// the workers end with it, at the latest when their command's time is over.
/// `dictionaries`: those of the node; null if it has none.
expected<tier_handle>
spawn_redis_tier(caf::actor_system& sys, const redis_options& opts,
                 const compression_options& compression, now_fn now,
                 const redis_backplane& backplane = {},
                 dictionary_set_ptr dictionaries = nullptr);

} // namespace terrace
