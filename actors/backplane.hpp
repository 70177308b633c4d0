/// The backplane: what nodes that share a Redis hear from each other.
///
/// Whatever a node changes in Redis is announced there in the same step: an
/// event in a log and on a channel (tiers/redis_store.hpp). This actor receives
/// the channel, has coordinators and the invalidator forget what events name,
/// notices what is missing (tiers/peer_tracker.hpp) and reads it in the log: at
/// the start, when the channel was interrupted, when a number is missing, and
/// every `check_interval` in any case. If the log does not reach back far
/// enough, everything in memory and on disk is dropped. If Redis lost the log
/// itself, which it does whenever it restarts empty, that is done only if a
/// node says that it had announced what is not known here.
///
/// Strangers. With `tracking`, Redis reports which entries anybody changes. Of
/// those that do not have the version that memory has, what is older than in
/// Redis is forgotten. Whenever the connection was lost, everything is: nobody
/// knows what was not reported.
///
/// Bound. Once nodes and Redis reach each other, a node has forgotten what
/// another changed after the time of a message; at the latest, if the channel
/// loses it, after two beats and a reading of the log. How stale a node may be
/// right now its gauge says.
///
/// Disk. The place in the log is kept in a file, so that what others changed
/// while a node was down is made up for after its start. Before that is done,
/// and whenever the log was out of reach for some time, the node gives no old
/// entries to Redis.
#pragma once

#include "actors/clock.hpp"
#include "actors/redis_tier.hpp"
#include "tiers/backplane_gauge.hpp"
#include "tiers/hybrid_clock.hpp"
#include "tiers/memory_view.hpp"
#include "tiers/peer_tracker.hpp"
#include "tiers/redis_log.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace terrace {

struct backplane_setup {
  redis_options redis;
  std::vector<redis_address> servers; ///< those of redis.url
  backplane_options opts;
  std::shared_ptr<redis_announcer> announcer;
  std::shared_ptr<backplane_gauge> gauge;
  redis_tier_actor tier;
  std::vector<coordinator_actor> coordinators; ///< one per shard
  invalidator_actor invalidator;
  memory_view_ptr view; ///< says which key belongs to which shard
  std::shared_ptr<hybrid_clock> clock;
  now_fn now;             ///< Unix milliseconds
  std::string place_file; ///< keeps the place in the log; empty: no disk tier
};

/// Blocks while it waits for the channel: whoever spawns it chooses
/// `caf::detached`.
class backplane_state {
public:
  static inline const char* name = "terrace.backplane";

  explicit backplane_state(backplane_actor::pointer self) : self_(self) {
    // nop
  }

  backplane_actor::behavior_type make_behavior(backplane_setup setup);

private:
  void tick();

  /// Sends a beat if it is time for one.
  void beat(std::int64_t now_ms);

  /// Takes what the channel brings within `limit`.
  void listen(milliseconds limit);

  void take(redis_log::message x);

  void take_event(const std::string& text);

  /// Looks what is in Redis under keys that it reported as changed.
  void check_changed();

  void act_on(invalidation_event x);

  /// Another program's wish.
  void invalidate(const invalidation_event& x);

  /// Reads the log as far as it goes.
  expected<void> read_log(std::int64_t now_ms);

  void take_logged(const std::string& text, std::int64_t now_ms);

  /// The log does not go on from where this node has read it.
  expected<void> begin_anew(redis_log::reach reach);

  void drop_everything();

  void forget(const selector& what, version_t up_to);

  void forget(std::size_t shard, removals xs);

  /// The gauge waits until what it returns is called.
  std::function<void()> begin_forgetting();

  void update_gauge();

  void load_place();

  /// Notes how far this node is now, to be saved later.
  void mark_place();

  void save_place();

  void stop(const caf::error& reason);

  actor_status status() const;

  struct counters {
    std::uint64_t events = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t foreign = 0;
    std::uint64_t malformed = 0;
    std::uint64_t from_log = 0;
    std::uint64_t log_reads = 0;
    std::uint64_t gaps = 0;
    std::uint64_t drops = 0;
    std::uint64_t failures = 0;
    std::uint64_t tracked = 0; ///< changes that Redis reported
    std::uint64_t strange = 0; ///< of those, not known from events
  };

  backplane_actor::pointer self_; ///< the actor
  backplane_setup setup_;
  std::optional<peer_tracker> tracker_;
  std::optional<redis_log> log_;
  std::optional<log_place> place_; ///< what comes after it is not read yet
  std::optional<log_place> safe_;  ///< the one to be saved next
  std::uint64_t safe_ticket_ = 0;  ///< when all up to this are done
  std::map<std::string, std::uint64_t> safe_peers_; ///< and their events
  std::string former_;         ///< name of this node in an earlier life
  std::int64_t next_beat_ = 0; ///< steady milliseconds, like all below
  std::int64_t next_check_ = 0;
  std::int64_t next_try_ = 0;
  std::uint64_t last_ticket_ = 0; ///< of what is forgotten
  std::set<std::uint64_t> open_;  ///< tickets not done
  /// What the gauge may say once a ticket and all before it are done.
  std::deque<std::pair<std::uint64_t, std::int64_t>> fresh_;
  std::int64_t told_ms_ = 0; ///< what it says
  /// Likewise, until when old entries may be given away.
  std::pair<std::uint64_t, std::int64_t> promote_{0, 0};
  std::set<std::string> changed_; ///< reported, not looked at yet
  bool tracked_ = false;          ///< Redis reported changes before
  bool stopping_ = false;
  failure trouble_; ///< why the log is out of reach
  counters counters_;
};

backplane_actor::behavior_type
backplane(backplane_actor::stateful_pointer<backplane_state> self,
          backplane_setup setup);

} // namespace terrace
