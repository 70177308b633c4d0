/// Which servers a Redis tier consists of, and which of them serves a key.
/// Shared by all connections of the tier:
///
///     single     one server
///     sharded    independent servers, keys by tiers/redis_shards.hpp
///     cluster    masters that were found out, keys by tiers/redis_slots.hpp
///     sentinel   one server: the master that was found out
///
/// What was found out is asked for again when it proves wrong (`suspect`), and
/// from time to time. A server that is dead keeps its shard: its keys do not go
/// to another one, which would hold stale values when the first is back.
///
/// Limit: the nodes of a cluster, and the master, are reached under the
/// addresses that they announce to each other.
#pragma once

#include "config/options.hpp"
#include "tiers/redis_figures.hpp"
#include "tiers/redis_node.hpp"
#include "tiers/redis_scout.hpp"
#include "tiers/redis_shards.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

enum class redis_mode : std::uint8_t { single, cluster, sentinel, sharded };

/// One state of the topology. Immutable once it is shared.
struct redis_map {
  /// What `slots` holds where no server is known.
  static constexpr std::uint16_t nobody = 0xffff;

  /// In the order of their names; none if nothing was found out yet.
  std::vector<redis_node_ptr> servers;
  std::vector<std::uint16_t> slots; ///< of a cluster: indices of `servers`
  std::shared_ptr<const redis_shards> shards; ///< if sharded
};

/// Every member may be used from any thread. Those that are told the time take
/// that of the steady clock.
class redis_topology {
public:
  using time_point = redis_node::time_point;

  // -- constants --------------------------------------------------------------

  /// Questions are not asked more often than this.
  static constexpr std::chrono::milliseconds min_interval{100};

  // -- constructors -----------------------------------------------------------

  /// `servers`: those of redis.url, at least one. Asks nobody yet.
  redis_topology(const redis_options& opts, std::vector<redis_address> servers,
                 std::shared_ptr<redis_figures> figures);

  // -- properties -------------------------------------------------------------

  redis_mode mode() const noexcept {
    return mode_;
  }

  std::shared_ptr<const redis_map> map() const;

  /// Grows whenever `map` changes.
  std::uint64_t version() const noexcept {
    return version_.load(std::memory_order_acquire);
  }

  /// Whether one server may fail and others not.
  bool divided() const noexcept {
    return mode_ == redis_mode::cluster || mode_ == redis_mode::sharded;
  }

  /// True if it is divided and a server is not down.
  bool some_up() const;

  /// How many of several servers are down.
  std::size_t down() const;

  /// How many servers are down, and why, for operators; empty if none is.
  std::string trouble() const;

  /// Adds `servers` and `servers_down` if there can be several.
  void fill(counter_map& out) const;

  // -- finding out ------------------------------------------------------------

  /// What is known seems wrong: `refresh` shall not wait for its turn.
  void suspect() noexcept {
    wanted_ = true;
  }

  /// A node of the cluster says that another one serves `slot`.
  void moved(std::uint16_t slot, redis_address to);

  /// Finds out if that is due. Blocks while servers are asked; if another
  /// thread is at it already, waits only while nothing is known at all.
  void refresh(time_point now);

  /// Why the latest question had no answer; no error if it had.
  failure why() const;

  /// A node at `where`; the same as in `map` if it is there.
  redis_node_ptr node_at(const redis_address& where) const;

private:
  bool due(time_point now);

  failure find_cluster();

  failure find_master();

  void take_slots(const std::vector<redis_slot_range>& ranges);

  redis_node_ptr find_node(const redis_map& in, redis_address where) const;

  /// Needs the lock.
  void install(std::shared_ptr<const redis_map> x);

  redis_mode mode_;
  std::uint32_t failures_;
  std::chrono::milliseconds open_for_;
  std::chrono::milliseconds interval_; /// Of questions without suspicion.
  std::vector<redis_address> seeds_;   /// The servers in the configuration.
  std::shared_ptr<redis_figures> figures_;
  redis_scout scout_;        /// Used under `asking_`.
  std::mutex asking_;        /// Held while servers are asked.
  mutable std::mutex mutex_; /// Guards the members below.
  std::shared_ptr<const redis_map> map_;
  std::optional<time_point> asked_; /// When it was found out last.
  failure why_;
  std::atomic<std::uint64_t> version_{0};
  std::atomic<bool> wanted_{false};
};

} // namespace terrace
