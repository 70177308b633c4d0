/// The coordinator of one shard: the order of operations on its keys, the walk
/// through the tiers, single flight, promotion, write-through.
///
/// How order is kept. Every change gets a version from the node's clock and
/// goes to all tiers at once; a tier handles its mailbox in order, so changes
/// of a key reach every tier in the order of their versions. A change that
/// depends on what is there (conditions, `want_old`, `expire`) locks its key:
/// it walks the tiers with messages, which thereby come after all earlier
/// changes, and later changes of the key wait until it is done.
///
/// How nodes agree. Where they share a tier, such a change looks there first
/// and is made there first, on condition that the key is as it was seen; if it
/// is not, it is judged anew. So of several nodes one wins. While that tier
/// cannot be asked, each node decides for itself.
///
/// How staleness is kept out. A change or an invalidation of a key cuts off the
/// look-up of that key in flight: those who wait get what it finds, but nothing
/// is promoted, and whoever asks later starts a new look-up.
#pragma once

#include "actors/clock.hpp"
#include "actors/tier_handle.hpp"
#include "config/options.hpp"
#include "messages/interfaces.hpp"
#include "tiers/fences.hpp"
#include "tiers/hybrid_clock.hpp"
#include "tiers/memory_view.hpp"
#include "tiers/single_flight.hpp"
#include "tiers/tier_walk.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace terrace {

/// What all coordinators of a node share.
struct coordinator_setup {
  cache_options cache;
  memory_view_ptr view;                ///< read side of L1
  std::vector<tier_handle> tiers;      ///< the chain, for this shard
  std::shared_ptr<hybrid_clock> clock; ///< source of versions
  now_fn now;                          ///< Unix milliseconds
  shared_tier_actor shared;            ///< tier of several nodes, or null
  lease_actor leases;                  ///< null: this node loads for itself
  milliseconds lease{0};               ///< how long one lasts
  std::string name;                    ///< unique, of this coordinator
};

/// Answers everything it is asked, at the latest when the tiers' own time
/// limits are over. Dies only at shutdown, and then answers what it holds.
class coordinator_state {
public:
  static inline const char* name = "terrace.coordinator";

  explicit coordinator_state(coordinator_actor::pointer self) : self_(self) {
    // nop
  }

  coordinator_actor::behavior_type make_behavior(coordinator_setup setup);

private:
  // -- types ------------------------------------------------------------------

  /// A `fetch` or `warm` request that waits for some of its keys.
  struct fetch_request {
    caf::typed_response_promise<lookups> promise;
    lookups results;
    std::size_t open = 0;
    bool counted = true; ///< among the requests of clients
  };

  /// Who waits for the look-up of one key: a position in a `fetch`, or a claim.
  struct fetch_waiter {
    std::shared_ptr<fetch_request> request;
    std::size_t index = 0;
    caf::typed_response_promise<claim> claimant;
    std::uint64_t load_ms = 0; ///< time limit for loading, for claims
  };

  /// A look-up of some keys on its way through the tiers.
  struct walk {
    tier_walk steps;
    std::vector<single_flight<fetch_waiter>::id> flights; ///< one per key
    std::chrono::steady_clock::time_point started;
  };

  /// An `apply` or `fulfil` request with changes not yet acknowledged. One of
  /// the two promises is pending.
  struct apply_request {
    caf::typed_response_promise<mutation_results> promise;
    caf::typed_response_promise<mutation_result> single;
    mutation_results results;
    std::size_t open = 1; ///< acknowledgements to come; one held while starting
  };

  using apply_ptr = std::shared_ptr<apply_request>;

  /// Changes that go to the tiers together: puts first, then erasures. The two
  /// vectors of positions say whose results they are.
  struct change_group {
    entries puts;
    std::vector<tier_set> tiers; ///< per put, the tiers that take it
    removals erasures;
    std::vector<std::size_t> put_at;
    std::vector<std::size_t> erased_at;
    std::optional<std::size_t> made_in; ///< a tier that has them already
  };

  /// A group on its way: what its acknowledgements add up to.
  struct sent_group {
    apply_ptr request;
    std::vector<std::size_t> put_at;
    std::string unlocks;   ///< key whose lock ends with the group, or empty
    std::size_t open = 1;  ///< tiers that owe an answer; one while sending
    bool accepted = false; ///< a tier took the puts
    failure why;           ///< why a tier did not
  };

  using sent_ptr = std::shared_ptr<sent_group>;

  /// A change that waits for, or holds, the lock of its key.
  struct locked_change {
    mutation change;
    apply_ptr request;
    std::size_t index = 0;
    unsigned lost = 0;        ///< times that another node was faster
    bool shared_only = false; ///< copies in other tiers are suspect
  };

  /// Looking for the record of a locked key.
  struct probing {
    tier_walk steps;
    bool shared_asked = false; ///< the shared tier has not got it
  };

  /// What was seen of a locked key, if the shared tier was asked.
  struct sighting {
    version_t there = 0;     ///< in the shared tier; 0: no live record
    version_t elsewhere = 0; ///< in another tier, as the shared one has none
  };

  /// Who waits for a value that somebody loads.
  struct load_waiter {
    caf::typed_response_promise<claim> promise;
    std::uint64_t load_ms = 0;
  };

  /// A duty to load, given to the caller of `claim`.
  struct duty {
    single_flight<load_waiter>::id flight = 0;
    std::int64_t deadline_ms = 0;
    std::chrono::steady_clock::time_point since;
    std::string lease; ///< name of its owner; empty: there is none
    std::int64_t prolong_ms = 0;
  };

  /// Loads of a key that wait for another node's, each with who would lead it.
  struct lease_wait {
    std::vector<std::pair<single_flight<load_waiter>::id, load_waiter>> loads;
    std::int64_t look_ms = 0; ///< when to look for the value again
    std::int64_t pause_ms = 0;
  };

  // -- reading (coordinator_read.cpp) -----------------------------------------

  caf::result<lookups> fetch(const keys& xs, bool counted);

  void start_walk(keys missing,
                  std::vector<single_flight<fetch_waiter>::id> flights);

  void advance(std::uint64_t id);

  void finish(std::uint64_t id);

  void promote(const tier_walk& steps, const std::vector<lookup>& results,
               const std::vector<bool>& keep, std::uint32_t cost_us);

  /// `keep` is false if the key was changed during the look-up.
  void deliver(fetch_waiter& to, std::string_view key, const lookup& x,
               bool keep);

  void count(lookup::outcome x);

  bool usable(std::size_t tier, std::size_t n);

  // -- changing (coordinator_write.cpp) ---------------------------------------

  caf::result<mutation_results> apply(mutations xs);

  /// Adds a change that depends on nothing to `group`.
  void add(change_group& group, const apply_ptr& request, std::size_t index,
           mutation x);

  /// Sends `group` to the tiers and leaves it empty.
  void send(change_group& group, const apply_ptr& request,
            std::string unlocks = {});

  void send_puts(const change_group& group, std::size_t tier,
                 entry_batch& shared, const sent_ptr& sent);

  void send_erasures(const change_group& group, std::size_t tier,
                     const sent_ptr& sent);

  void settle(const sent_ptr& sent);

  void acknowledge(const apply_ptr& request);

  tier_set tiers_for(const mutation& x) const;

  errc check(const mutation& x) const;

  void touch_key(std::string_view key);

  // -- changing what is there (coordinator_judge.cpp) -------------------------

  /// Runs the change at the head of the queue of a locked key.
  void run_locked(const std::string& key);

  /// Whether the shared tier is to be asked about a locked key.
  bool asks_shared(const locked_change& x);

  /// Looks in the shared tier for the present record of a locked key.
  void look(const std::string& key);

  /// Looks for it tier by tier.
  void probe(const std::string& key, const std::shared_ptr<probing>& x);

  /// Puts a copy of a locked key that another tier has into the shared one,
  /// which refuses it if another node has deleted the key since.
  void give_to_shared(const std::string& key, const lookup& copy);

  /// Decides the change at the head of the queue, knowing what is there.
  void judge(const std::string& key, const lookup& present,
             const std::optional<sighting>& seen);

  /// Makes the change of a locked key in the shared tier if it is still as it
  /// was seen, and then in the others.
  void swap(const std::string& key, change_group group, const sighting& seen);

  void unlock(const std::string& key);

  // -- loading (coordinator_load.cpp) -----------------------------------------

  caf::result<claim> make_claim(const std::string& key, std::uint64_t load_ms);

  /// Answers a claim from memory, or looks for the key in the tiers.
  void look_for(const std::string& key, fetch_waiter to);

  /// Gives the duty to load to `to`, or lets it wait for who has it.
  void load_or_wait(std::string_view key, load_waiter to);

  void give_duty(single_flight<load_waiter>::id flight, load_waiter& to,
                 std::string lease = {});

  /// Ends a load: all who wait get `x`.
  void end_load(single_flight<load_waiter>::id flight, const lookup& x);

  caf::result<mutation_result> fulfil(std::uint64_t token, mutation x);

  void abandon(std::uint64_t token, const failure& why);

  void check_duties();

  void tick_soon();

  // -- leases (coordinator_lease.cpp) -----------------------------------------

  /// Gives the duty if no other node has it.
  void ask_for_lease(single_flight<load_waiter>::id flight,
                     const std::string& key,
                     const std::shared_ptr<load_waiter>& to);

  /// The lease is there: unless the value is too by now, gives the duty.
  void look_once_more(single_flight<load_waiter>::id flight,
                      const std::string& key, const std::string& owner,
                      const std::shared_ptr<load_waiter>& to);

  void wait_for_lease(single_flight<load_waiter>::id flight,
                      const std::string& key, load_waiter& to);

  /// Starts loads over that wait for another node's.
  void look_again(const std::string& key);

  void start_over(single_flight<load_waiter>::id flight, load_waiter& leader);

  void give_lease_back(const std::string& key, const std::string& owner);

  /// Prolongs leases, and looks for values that other nodes load.
  void check_leases();

  // -- invalidation and life (coordinator.cpp) --------------------------------

  caf::result<std::uint64_t> raise_fence(const selector& what, version_t up_to,
                                         bool everywhere);

  void lower_fence(version_t up_to);

  caf::result<std::uint64_t> forget(const removals& xs);

  actor_status status() const;

  /// Refuses new work, fails loads, and ends the actor once the tiers have
  /// answered everything that is under way.
  void shut_down(const caf::error& reason);

  void quit_if_idle();

  struct counters {
    std::uint64_t fetched_keys = 0;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t errors = 0;
    std::uint64_t coalesced = 0;
    std::uint64_t promoted = 0;
    std::uint64_t not_kept = 0;
    std::uint64_t changes = 0;
    std::uint64_t locked = 0;
    std::uint64_t lost_swaps = 0; ///< another node was faster
    std::uint64_t rejected = 0;
    std::uint64_t loads = 0;
    std::uint64_t load_waits = 0;
    std::uint64_t load_failures = 0;
    std::uint64_t load_timeouts = 0;
    std::uint64_t lease_waits = 0; ///< loads left to another node
    std::uint64_t invalidations = 0;
    std::uint64_t forgotten = 0; ///< keys that another node changed
  };

  coordinator_actor::pointer self_;             ///< the actor
  coordinator_setup setup_;                     ///< configuration and tiers
  bool has_memory_ = false;                     ///< the chain begins with L1
  std::size_t shared_at_ = 0;                   ///< shared tier, in the chain
  single_flight<fetch_waiter> flights_;         ///< look-ups in flight
  std::map<std::uint64_t, walk> walks_;         ///< by number, oldest first
  std::uint64_t last_walk_ = 0;                 ///< number of the latest walk
  fences fences_;                               ///< invalidations under way
  string_map<std::deque<locked_change>> locks_; ///< queues of locked keys
  single_flight<load_waiter> loads_;            ///< loads and who waits
  std::map<std::uint64_t, duty> duties_;        ///< by token
  string_map<lease_wait> lease_waits_;          ///< by key
  std::uint64_t last_lease_ = 0;                ///< number of the latest
  std::uint64_t last_token_ = 0;                ///< latest token given out
  bool ticking_ = false;                        ///< a tick is on its way
  std::size_t open_checks_ = 0;                 ///< loads about to begin
  std::size_t open_applies_ = 0;                ///< apply requests unanswered
  caf::error stopping_;                         ///< set while shutting down
  counters counters_;                           ///< since start or reset
  latency_recorder latency_;                    ///< walks, start to finish
};

coordinator_actor::behavior_type
coordinator(coordinator_actor::stateful_pointer<coordinator_state> self,
            coordinator_setup setup);

} // namespace terrace
