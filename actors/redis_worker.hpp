/// The part of the Redis tier that may block: one connection (to each server),
/// one job at a time.
#pragma once

#include "actors/caller_runs.hpp"
#include "actors/clock.hpp"
#include "messages/interfaces.hpp"
#include "tiers/missed_writes.hpp"
#include "tiers/redis_store.hpp"

#include <memory>
#include <variant>
#include <vector>

namespace terrace {

// -- jobs ---------------------------------------------------------------------

/// Look-ups of one or several requests.
struct fetch_job {
  keys wanted;
  lookups found; ///< one per key
};

/// Writes of one or several requests.
struct store_job {
  std::vector<entry_batch> batches;
  bool if_absent = false;
  std::vector<redis_store::put_outcome> outcomes; ///< one per entry
};

struct remove_job {
  removals gone;
  std::vector<redis_store::remove_outcome> outcomes; ///< one per removal
};

/// One step of a purge.
struct purge_job {
  selector what;
  version_t up_to = 0;
  std::string cursor;
  bool whole = false; ///< not even to begin unless all servers answer
  redis_store::purge_page page;
};

struct list_job {
  list_request wanted;
  key_page page;
};

/// Writes and deletions that the tier had missed.
struct replay_job {
  missed_batch changes; ///< without a purge; afterwards, those that succeeded
};

/// A sign of life, and the server's figures.
struct probe_job {
  tier_status server;
};

/// A sign of life for other nodes.
struct beat_job {
  node_beat beat;
};

/// Takes a lease, or gives it back if `limit` is zero.
struct lease_job {
  std::string key;
  std::string owner;
  milliseconds limit{0};
  std::uint64_t held_ms = 0; ///< by another one
};

/// Changes with a condition each.
struct swap_job {
  std::vector<guarded_change> changes;
  std::vector<redis_store::swap_outcome> outcomes; ///< one per change
};

/// Work for a worker. It goes to the worker and comes back with the results. In
/// between, the tier may read what it asked for, and nothing else.
struct redis_job {
  std::variant<fetch_job, store_job, remove_job, purge_job, list_job,
               replay_job, probe_job, beat_job, lease_job, swap_job>
    task;
  std::int64_t now_ms = 0;
  failure why; ///< why the job failed, wholly or in part
  /// The failure is that of one server, and others do their work.
  bool local = false;
};

using redis_job_ptr = std::shared_ptr<redis_job>;

} // namespace terrace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(terrace::redis_job_ptr)

namespace terrace {

using redis_worker_actor = caf::typed_actor<
  // Does the job and gives it back.
  caf::replies_to<redis_job_ptr>::with<redis_job_ptr>>;

// -- actor --------------------------------------------------------------------

/// What a worker needs to open its connection.
struct redis_worker_setup {
  redis_options opts;
  std::shared_ptr<redis_topology> topology;
  std::shared_ptr<codec> coder;
  std::shared_ptr<redis_figures> figures;
  std::string client_name;
  std::shared_ptr<redis_announcer> announcer; ///< null: no other nodes
};

/// Owns one `redis_store`. Whoever spawns it chooses `caf::detached`, because
/// it blocks for as long as a command may take. Its thread also runs the tier
/// when that gets a job back, and whom that answers: waking threads for them
/// took longer than the look-ups themselves. Ends with the actor it is linked
/// to.
class redis_worker_state {
public:
  static inline const char* name = "terrace.redis.worker";

  explicit redis_worker_state(redis_worker_actor::pointer self)
    : self_(self), unit_(self->system(), messages_per_run) {
    // nop
  }

  redis_worker_actor::behavior_type make_behavior(redis_worker_setup setup);

private:
  /// Messages that an actor may handle on this thread at a stretch.
  static constexpr std::size_t messages_per_run = 256;

  caf::result<redis_job_ptr> work(redis_job_ptr job);

  void run(fetch_job& x, redis_job& job);

  void run(store_job& x, redis_job& job);

  void run(remove_job& x, redis_job& job);

  void run(purge_job& x, redis_job& job);

  void run(list_job& x, redis_job& job);

  void run(replay_job& x, redis_job& job);

  void run(probe_job& x, redis_job& job);

  void run(beat_job& x, redis_job& job);

  void run(lease_job& x, redis_job& job);

  void run(swap_job& x, redis_job& job);

  redis_worker_actor::pointer self_;   ///< the actor
  std::unique_ptr<redis_store> store_; ///< the connection
  caller_runs unit_;                   ///< runs whom an answer wakes
};

redis_worker_actor::behavior_type
redis_worker(redis_worker_actor::stateful_pointer<redis_worker_state> self,
             redis_worker_setup setup);

} // namespace terrace
