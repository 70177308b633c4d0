/// The warm restart: keeps the keys that L1 holds, the hottest first, in a
/// file, and has them looked up in the lower tiers after a start.
///
/// Keeping: every `snapshot_interval`, and at shutdown, it walks over the
/// shards of L1 in short steps, one after the other, and writes the hottest
/// keys, at most a 16th of the size of L1 and what tiers/hot_keys.hpp allows.
/// At shutdown that takes `patience` at most; past it, the file stays as it was
/// last written.
///
/// Looking up: after the start the coordinators are asked for the keys of the
/// file, the hottest first, while the node serves. What they find they promote
/// as any other look-up, so a key that is changed or invalidated meanwhile does
/// not come back, and nothing newer is replaced. One batch at a time is under
/// way, see tiers/warm_pace.hpp. It ends with the list, or when every shard of
/// L1 is full. Tiers that fail are tried again for a minute, about. Keys not
/// yet looked up are kept again, behind what L1 holds.
#pragma once

#include "actors/clock.hpp"
#include "config/options.hpp"
#include "messages/interfaces.hpp"
#include "tiers/hot_keys.hpp"
#include "tiers/hot_ranking.hpp"
#include "tiers/memory_view.hpp"
#include "tiers/warm_pace.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace terrace {

struct warm_restart_setup {
  warming_options opts;
  std::string file;                            ///< where the keys are kept
  std::size_t max_bytes = 0;                   ///< of the file, about
  memory_view_ptr view;                        ///< says which shard has a key
  std::vector<memory_tier_actor> memory;       ///< one per shard
  std::vector<coordinator_actor> coordinators; ///< one per shard
  now_fn now;                                  ///< Unix milliseconds
  /// Measures how long batches take.
  std::function<std::chrono::steady_clock::time_point()> steady
    = std::chrono::steady_clock::now;
};

/// Blocks while it reads and writes the file, hence it is spawned detached in a
/// running node. Ends at shutdown, when the keys are kept. While it has keys to
/// keep or to look up, it takes some three times the size of the file.
class warm_restart_state {
public:
  static inline const char* name = "terrace.warm_restart";

  /// Longest time for keeping the keys at shutdown, without the writing itself.
  static constexpr std::chrono::seconds patience{2};

  explicit warm_restart_state(warm_restart_actor::pointer self) : self_(self) {
    // nop
  }

  warm_restart_actor::behavior_type make_behavior(warm_restart_setup setup);

private:
  // -- keeping (warm_restart.cpp) ---------------------------------------------

  void begin_walk();

  /// Asks the shard at hand for some more of its keys.
  void walk_on();

  void found(hot_page& x);

  /// All shards have answered: writes the file.
  void keep();

  /// Appends what is still to be looked up.
  void add_rest(hot_keys& xs) const;

  void end_walk();

  /// It takes too long for a shutdown.
  void give_up_walk();

  actor_status status() const;

  void shut_down(const caf::error& reason);

  // -- looking up (warm_restart_preload.cpp) ----------------------------------

  /// Reads the file.
  void load();

  /// Asks the shards how much they take, and then for a batch.
  void next_batch();

  void fill_batch();

  void send_batch();

  /// All parts of the batch are answered.
  void end_batch();

  void count(const lookup& x);

  void end_preload();

  /// The walk over L1.
  struct walk {
    std::size_t shard = 0;
    std::uint64_t cursor = 0;
    hot_ranking ranking;
    std::vector<hot_keys> done; ///< of earlier shards
    std::chrono::steady_clock::time_point started;
  };

  /// What became of the keys of the file.
  struct outcomes {
    std::uint64_t keys = 0;    ///< in the file
    std::uint64_t found = 0;   ///< below memory
    std::uint64_t present = 0; ///< in memory already
    std::uint64_t missing = 0;
    std::uint64_t expired = 0;
    std::uint64_t unfit = 0; ///< L1 is full
    std::uint64_t failed = 0;

    /// Those that are still to have an outcome.
    std::uint64_t left() const noexcept {
      return keys - found - present - missing - expired - unfit - failed;
    }
  };

  warm_restart_actor::pointer self_; ///< the actor
  warm_restart_setup setup_;         ///< options and who is asked

  std::optional<walk> walk_;            ///< over L1, while keeping
  std::optional<std::int64_t> kept_ms_; ///< time of the list in the file
  std::size_t kept_keys_ = 0;           ///< in the file
  std::uint64_t keeps_ = 0;             ///< since start or reset
  std::uint64_t keep_errors_ = 0;       ///< likewise
  std::uint64_t keep_us_ = 0;           ///< time that the last one took
  std::optional<caf::error> stopping_;  ///< why; set while shutting down

  hot_keys list_;                   ///< to be looked up
  std::size_t done_ = 0;            ///< those before have had their turn
  std::size_t next_ = 0;            ///< likewise, or are in the batch
  std::vector<std::uint64_t> room_; ///< bytes, per shard
  std::vector<bool> full_;          ///< per shard; nothing more goes there
  std::vector<keys> batch_;         ///< under way, per shard
  std::size_t open_ = 0;            ///< answers to come
  std::uint64_t answered_ = 0; ///< keys of the batch that need no more tries
  std::uint64_t failed_ = 0;   ///< others
  unsigned tries_ = 0;         ///< in a row that failed altogether
  warm_pace pace_;             ///< size of batches, and rests
  std::chrono::steady_clock::time_point sent_; ///< the batch
  std::int64_t preload_began_ms_ = 0;          ///< Unix time
  std::int64_t preload_ms_ = 0; ///< time it took, so far if it is going on
  bool damaged_ = false;        ///< the file was not whole
  outcomes outcomes_;           ///< of this start
  latency_recorder latency_;    ///< of batches
};

warm_restart_actor::behavior_type
warm_restart(warm_restart_actor::stateful_pointer<warm_restart_state> self,
             warm_restart_setup setup);

} // namespace terrace
