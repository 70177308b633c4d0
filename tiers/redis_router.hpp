/// Sends commands to the servers that hold their keys, over one connection to
/// each, and puts the replies back in order. A batch goes to all its servers
/// first and is read afterwards, so that they work at the same time.
///
/// What it takes care of, so that the caller sees the final reply:
///
///     NOSCRIPT              the server is given the script, again
///     MOVED                 the key's slot is at another server, again there
///     ASK                   the slot is on its way: again there, only this
///                           once, after ASKING
///     TRYAGAIN CLUSTERDOWN  again a little later, within `command_timeout`
///     READONLY (sentinel)   again if there is another master
///     a lost connection     again if another server has taken over
///
/// A server that is down is skipped by its breaker; the commands for it are
/// `lost`, and no others. Every command may be sent twice.
///
/// Sources: redis.io, "Redis cluster specification", redirection and resharding
/// (MOVED, ASK, TRYAGAIN).
#pragma once

#include "tiers/redis_connection.hpp"
#include "tiers/redis_topology.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// One thread at a time.
class redis_router {
public:
  // -- constructors -----------------------------------------------------------

  /// Connects when it is needed. `client_name`: a label for operators.
  redis_router(const redis_options& opts,
               std::shared_ptr<redis_topology> topology,
               std::shared_ptr<redis_figures> figures, std::string client_name);

  ~redis_router();

  // -- a batch ----------------------------------------------------------------

  /// Begins a batch and notices what has changed among the servers. Places and
  /// indices of servers hold until the next call.
  void clear();

  /// Where the key called `name` is. Only keys of one place may share a
  /// command, and no more than `keys_per_command`.
  std::uint32_t place_of(std::string_view name) const noexcept;

  /// The server that has the key called `name`; nothing if none is known.
  std::optional<redis_address> home_of(std::string_view name) const;

  /// One in a cluster: a command whose keys are partly gone to another server
  /// while their slot moves has no answer.
  std::size_t keys_per_command() const noexcept;

  /// True if all keys are in one place.
  bool undivided() const noexcept {
    return !topology_->divided();
  }

  /// True if there are few places, so that it pays to put keys together.
  bool is_sharded() const noexcept {
    return topology_->mode() == redis_mode::sharded;
  }

  /// What the caller appends exactly one command to.
  redis_pipeline& to_place(std::uint32_t place);

  redis_pipeline& to_server(std::size_t index);

  /// Sends the batch and reads one reply per command, in order; they hold until
  /// the next call of `clear` or `exchange`. False if replies were lost. If
  /// `urgent`, servers that are down are asked as well.
  bool exchange(std::vector<redis_reply>& replies, bool urgent = false);

  /// Why a reply was lost: the first, or that of command `i`.
  const failure& why() const noexcept;

  const failure& why(std::size_t i) const noexcept;

  // -- servers ----------------------------------------------------------------

  /// Of the batch, in the order of their names.
  std::size_t servers() const noexcept {
    return map_->servers.size();
  }

  const redis_node& server(std::size_t index) const noexcept {
    return *map_->servers[index];
  }

  bool some_up() const {
    return topology_->some_up();
  }

  /// The next batch begins with new connections.
  void close() noexcept;

private:
  /// A server and what goes to it in this round.
  struct lane {
    redis_node_ptr node;
    std::unique_ptr<redis_connection> link;
    redis_pipeline pipeline;
    std::vector<std::uint32_t> owners; ///< per reply: whose it is, or `nobody`
    bool sent = false;
  };

  struct command {
    std::uint32_t place = 0;
    std::uint32_t lane = 0;
    std::size_t first = 0; ///< where it begins in the lane's pipeline
    std::size_t last = 0;  ///< where it ends
    std::size_t why = 0;   ///< why it was lost: index in `whys_`, 0: it was not
    bool asking = false;   ///< it was sent after ASKING
    bool kept = false;     ///< its reply does not view a connection's bytes
  };

  /// A command that is to be sent again.
  struct retry {
    std::uint32_t command = 0;
    std::string bytes;
    redis_node_ptr from;                 ///< where it was sent
    std::optional<redis_address> target; ///< where it must go
    bool asking = false;                 ///< after ASKING
    bool load = false;                   ///< after SCRIPT LOAD
    bool later = false;                  ///< after a pause
  };

  /// No lane, no owner of a reply, and the place of a command that goes to one
  /// server whatever that holds.
  static constexpr std::uint32_t nobody = 0xffffffff;

  void follow_topology();

  std::uint32_t lane_of(std::uint32_t place) const noexcept;

  std::uint32_t lane_at(const redis_address& where);

  lane& at(std::uint32_t index) noexcept {
    return index == nobody ? nowhere_ : lanes_[index];
  }

  redis_pipeline& begin_command(std::uint32_t place, std::uint32_t lane);

  // -- a round (redis_router.cpp) ---------------------------------------------

  void transfer(std::vector<redis_reply>& replies, bool urgent);

  void send(lane& to, std::vector<redis_reply>& replies, bool urgent);

  void receive(lane& from, std::vector<redis_reply>& replies);

  void fail(lane& x, failure why, std::vector<redis_reply>& replies);

  void lose(lane& x, failure why, std::vector<redis_reply>& replies);

  // -- further rounds (redis_redirect.cpp) ------------------------------------

  /// Finds out what of the latest round is to be sent again.
  void look_for_retries(std::vector<redis_reply>& replies);

  void look_at(std::uint32_t i, const redis_reply& x);

  /// Understands MOVED and ASK.
  void redirect(retry& x, std::string_view error);

  void note_ends() noexcept;

  /// Waits; without time for that, drops what should be sent later and returns
  /// false.
  bool pause();

  /// Makes the replies independent of the connections, which are about to go
  /// on or to go.
  void keep(std::vector<redis_reply>& replies);

  void send_retries();

  redis_options opts_;
  std::shared_ptr<redis_topology> topology_;
  std::shared_ptr<redis_figures> figures_;
  std::string client_name_;
  std::shared_ptr<const redis_map> map_;
  std::uint64_t version_ = 0; /// Of `map_`.
  std::vector<lane> lanes_;   /// As in `map_`, then servers beside it.
  lane nowhere_;              /// Commands whose server is not known.
  std::vector<command> commands_;
  std::vector<failure> whys_;
  std::vector<retry> retries_;    /// Of the latest round.
  std::vector<redis_reply> part_; /// Replies of one server.
  std::deque<std::string> kept_;  /// What replies of earlier rounds view.
  redis_topology::time_point deadline_;
  std::chrono::milliseconds pause_{0};
};

} // namespace terrace
