/// How far a node is with the events of the others: what is missing, and since
/// when it knows nothing.
///
/// Every node numbers its events and says with each beat how far it has come.
/// An event is acted upon whenever it arrives, since that is right in any order
/// and any number of times; the numbers tell whether one is missing. If so, the
/// log is read, which has all that exist: a number that is not in it belongs to
/// an event that was never written, because Redis did not get it or refused it.
///
/// Staleness. A beat of A names the latest beat of B that A had received. What
/// A changed before that, older than the beat's lag, is in events up to the
/// beat's number. So when B has these, nothing that B holds is staler than the
/// time since B sent the beat that A names: only B's own clock is read, and
/// however long messages take, they only make the bound larger.
///
/// Times are milliseconds of any steady clock. Single-owner.
#pragma once

#include "tiers/invalidation_event.hpp"

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace terrace {

class peer_tracker {
public:
  /// What is known of another node.
  struct peer {
    std::uint64_t complete = 0;   ///< all events up to this one were seen
    std::set<std::uint64_t> more; ///< those seen beyond
    std::uint64_t highest = 0;    ///< known to exist, or to have been tried
    std::uint64_t last_beat = 0;
    std::int64_t heard_ms = 0;   ///< when anything came from it
    std::int64_t fresh_ms = 0;   ///< everything from before is known
    std::uint64_t beat_seq = 0;  ///< of the beat below
    std::int64_t beat_fresh = 0; ///< `fresh_ms`, once `beat_seq` is complete
    bool leaving = false;
    bool doubt = false; ///< the log may have lost events of it
  };

  /// `self`: the name of this node, whose events and beats come back to it.
  peer_tracker(std::string self, std::int64_t now_ms);

  /// Takes note of an event; true if it is new.
  bool event(const std::string& node, std::uint64_t seq, std::int64_t now_ms);

  void beat(const node_beat& x, std::int64_t now_ms);

  /// Notes that this node sends its next beat, and returns it without what
  /// the sender has to add.
  node_beat next_beat(std::int64_t now_ms);

  /// True if an event is missing, so that the log has to be read.
  bool incomplete() const noexcept;

  /// The log was read to its end, beginning at `since_ms`, and after all events
  /// and beats noted so far. False if events were lost.
  bool log_was_read(std::int64_t since_ms);

  /// The log is a new one: what is missing of a node's events from before, and
  /// is not in it, was lost. Until a node says that nothing is, it is in doubt.
  void log_was_lost() noexcept;

  /// This node holds nothing from before: all that is missing is of no
  /// interest.
  void begin_anew() noexcept;

  /// All events of a node up to `seq` were seen, in an earlier life.
  void remember(const std::string& node, std::uint64_t seq,
                std::int64_t now_ms);

  bool in_doubt() const noexcept;

  /// Forgets nodes that were silent for `limit_ms`, if nothing is missing.
  void forget_silent(std::int64_t now_ms, std::int64_t limit_ms);

  /// Everything that nodes with beats changed before is known here; and of
  /// this node's beats one sent then has come back.
  std::int64_t fresh_ms() const noexcept;

  /// When the latest beat that came back was sent.
  std::int64_t echo_ms() const noexcept {
    return echo_ms_;
  }

  const std::map<std::string, peer>& peers() const noexcept {
    return peers_;
  }

private:
  peer& peer_of(const std::string& node, std::int64_t now_ms);

  static void close_gaps(peer& x);

  std::int64_t sent_ms(std::uint64_t beat) const noexcept;

  std::string self_;
  std::map<std::string, peer> peers_;
  std::deque<std::pair<std::uint64_t, std::int64_t>> sent_; ///< beats and times
  std::uint64_t beats_ = 0;
  std::int64_t echo_ms_;
  std::int64_t log_ms_;   ///< when the log was last read
  bool log_lost_ = false; ///< so that nodes not heard of before are in doubt
};

} // namespace terrace
