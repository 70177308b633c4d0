/// The one thread that writes to the disk tier's store.
#pragma once

#include "actors/clock.hpp"
#include "messages/interfaces.hpp"
#include "tiers/lmdb_store.hpp"

#include <deque>
#include <memory>

namespace terrace {

using lmdb_store_ptr = std::shared_ptr<lmdb_store>;

using disk_writer_actor = caf::typed_actor<
  // Makes durable what is staged. True: a merge is under way, commit again at
  // once.
  caf::replies_to<commit_atom>::with<bool>,
  // Deletes what a selector means.
  caf::replies_to<purge_atom, selector, version_t>::with<std::uint64_t>,
  // Removes a portion of what expired. True: there may be more.
  caf::replies_to<sweep_atom>::with<bool>,
  // Goes on with the purge at hand.
  caf::reacts_to<wake_atom>>;

/// Blocks while it writes, hence it is spawned detached in a running node. A
/// purge is done in steps, between which other messages get their turn. When
/// told to exit it answers the purges that it has not finished with
/// `shutting_down`.
class disk_writer_state {
public:
  static inline const char* name = "terrace.disk_writer";

  explicit disk_writer_state(disk_writer_actor::pointer self) : self_(self) {
    // nop
  }

  disk_writer_actor::behavior_type make_behavior(lmdb_store_ptr store,
                                                 now_fn now);

private:
  struct purge_job {
    lmdb_purge walk;
    caf::typed_response_promise<std::uint64_t> promise;
  };

  caf::result<bool> commit();

  caf::result<std::uint64_t> purge(const selector& what, version_t up_to);

  void step();

  void exit(const caf::exit_msg& x);

  disk_writer_actor::pointer self_; ///< the actor
  lmdb_store_ptr store_;            ///< shared with the front and the readers
  now_fn now_;                      ///< Unix milliseconds
  std::deque<purge_job> purges_;    ///< the first is under way
};

disk_writer_actor::behavior_type
disk_writer(disk_writer_actor::stateful_pointer<disk_writer_state> self,
            lmdb_store_ptr store, now_fn now);

} // namespace terrace
