/// The map of the system: the typed interface of every actor. A clause is read
/// as a sentence: verb, then nouns, and what comes back.
#pragma once

#include "messages/types.hpp"

namespace terrace {

/// A tier of the chain: memory (one per shard), redis, disk. Batch first. Every
/// request is answered, at the latest when the tier's own time limit is over,
/// so callers inside the node ask with `caf::infinite`. A tier handles `store`,
/// `promote`, `remove` and `purge` in the order in which they arrive.
using tier_actor = caf::typed_actor<
  // Look-ups in the order of the keys. A tier that is down answers an error for
  // each key, never a miss.
  caf::replies_to<fetch_atom, keys>::with<lookups>,
  // Writes entries; older versions are refused.
  caf::replies_to<store_atom, entry_batch>::with<store_report>,
  // Writes entries found further down, unless a record is there already.
  caf::replies_to<promote_atom, entry_batch>::with<store_report>,
  // Deletes keys.
  caf::replies_to<remove_atom, removals>::with<remove_report>,
  // Deletes what the selector means, up to the given version; answers how many.
  caf::replies_to<purge_atom, selector, version_t>::with<std::uint64_t>,
  // One page of keys.
  caf::replies_to<list_atom, list_request>::with<key_page>,
  // Number of entries of a tenant.
  caf::replies_to<count_atom, tenant_id>::with<std::uint64_t>,
  // Figures since the start or the last reset.
  caf::replies_to<status_atom>::with<tier_status>,
  // Sets counters and histograms back to zero; gauges stay.
  caf::reacts_to<reset_atom>>;

/// The memory tier also sweeps, by a message to itself, and takes other bounds
/// and another policy while it runs; it answers when they are in force.
using memory_tier_actor = tier_actor::extend<
  caf::reacts_to<sweep_atom>, caf::reacts_to<configure_atom, memory_limits>,
  // A step of a walk over the keys of this shard, with how hot they are.
  caf::replies_to<hot_atom, hot_request>::with<hot_page>,
  // Bytes that this shard takes before others have to make room.
  caf::replies_to<room_atom>::with<std::uint64_t>>;

/// Leases on keys that nodes share, so that one of them loads a key.
using lease_actor = caf::typed_actor<
  // Takes or prolongs the lease of a key: key, name of the owner, milliseconds
  // until it ends. Zero: the owner has it. Otherwise the milliseconds that
  // another one's lease lasts.
  caf::replies_to<lease_atom, std::string, std::string,
                  std::uint64_t>::with<std::uint64_t>,
  // Gives it back, after all changes sent before.
  caf::reacts_to<release_atom, std::string, std::string>>;

/// A tier that several nodes share, for changes that depend on what is there.
using shared_tier_actor = caf::typed_actor<
  // What is under a key once all changes sent before are made.
  caf::replies_to<look_atom, std::string>::with<lookup>,
  // True: the change is made. False: it is not, as somebody else changed the
  // key. An error: nobody knows; the sender has to send it as any other.
  caf::replies_to<swap_atom, guarded_change>::with<bool>>;

/// Owner of the order of operations on the keys of one shard.
using coordinator_actor = caf::typed_actor<
  // Walks the tiers for keys that the caller did not find in memory.
  caf::replies_to<fetch_atom, keys>::with<lookups>,
  // The same for keys that nobody asked for, to have them in memory again:
  // counts as no request.
  caf::replies_to<warm_atom, keys>::with<lookups>,
  // Runs changes in order; one result per change.
  caf::replies_to<apply_atom, mutations>::with<mutation_results>,
  // Get-or-load: the value, or the duty to load it. At most one caller at a
  // time has the duty for a key; others wait for what it brings. The second
  // argument is the deadline for loading, in milliseconds.
  caf::replies_to<claim_atom, std::string, std::uint64_t>::with<claim>,
  // Ends a duty with a value. It is given to all who wait; it is not kept if
  // the key was changed or invalidated since the claim.
  caf::replies_to<fulfil_atom, std::uint64_t, mutation>::with<mutation_result>,
  // Ends a duty without a value: key, token, reason.
  caf::reacts_to<abandon_atom, std::string, std::uint64_t, failure>,
  // Begins an invalidation: purges memory, and until `unfence` keeps loads in
  // flight from bringing back what the selector means up to the version. False:
  // another node began it, and the tier that both share is purged already.
  caf::replies_to<fence_atom, selector, version_t, bool>::with<std::uint64_t>,
  caf::reacts_to<unfence_atom, version_t>,
  // Another node changed keys: what tiers of this node alone hold of them, up
  // to the versions, is deleted, and look-ups in flight do not bring it back.
  // Answers the number of keys.
  caf::replies_to<forget_atom, removals>::with<std::uint64_t>,
  caf::replies_to<status_atom>::with<actor_status>, caf::reacts_to<reset_atom>,
  // Looks for loads past their deadline; sent by the actor to itself.
  caf::reacts_to<tick_atom>>;

/// Turns a selector into purges of all tiers, without letting loads in flight
/// bring back what was purged.
using invalidator_actor = caf::typed_actor<
  // The text is the reason, for the log.
  caf::replies_to<invalidate_atom, selector,
                  std::string>::with<invalidation_report>,
  // Another node did it: the tiers of this node alone are purged.
  caf::replies_to<forget_atom, selector, version_t>::with<invalidation_report>,
  caf::replies_to<status_atom>::with<actor_status>, caf::reacts_to<reset_atom>>;

/// Hears what other nodes on the same Redis change, and says how far this one
/// is. What this node changes the Redis tier announces.
using backplane_actor = caf::typed_actor<
  // Receives, reads the log, sends beats; sent by the actor to itself.
  caf::reacts_to<tick_atom>, caf::replies_to<status_atom>::with<actor_status>,
  caf::reacts_to<reset_atom>>;

/// Keeps the hottest keys of L1 in a file, and has them looked up below after a
/// start.
using warm_restart_actor = caf::typed_actor<
  // It is time to keep the keys; sent by the actor to itself.
  caf::reacts_to<tick_atom>,
  // It is time to look up some more; likewise.
  caf::reacts_to<wake_atom>,
  // The time for keeping the keys at shutdown is over; likewise.
  caf::reacts_to<stop_atom>, caf::replies_to<status_atom>::with<actor_status>,
  caf::reacts_to<reset_atom>>;

/// Changes options while the node runs: all of a list or none. Answers how many
/// options are in the list. The error says in one line what is wrong, and
/// begins with the name of the option.
using configurator_actor = caf::typed_actor<
  caf::replies_to<configure_atom, settings>::with<std::uint64_t>,
  caf::replies_to<status_atom>::with<actor_status>, caf::reacts_to<reset_atom>>;

/// Enumerates keys over all tiers.
using keyspace_actor = caf::typed_actor<
  caf::replies_to<scan_atom, scan_request>::with<scan_page>,
  // All keys of a tenant that match a glob.
  caf::replies_to<list_atom, tenant_id, std::string>::with<keys>,
  // Number of keys of a tenant: the largest count that any local tier has.
  caf::replies_to<count_atom, tenant_id>::with<std::uint64_t>,
  caf::replies_to<status_atom>::with<actor_status>, caf::reacts_to<reset_atom>>;

/// Collects the figures of all actors.
using metrics_actor = caf::typed_actor<
  caf::replies_to<report_atom>::with<node_report>, caf::reacts_to<reset_atom>,
  // Any actor that answers `status` with an `actor_status` and reacts to
  // `reset` wants to be part of reports, under the given name. Gateways, whose
  // brokers are dynamically typed, join this way.
  caf::reacts_to<caf::join_atom, std::string, caf::actor>>;

} // namespace terrace
