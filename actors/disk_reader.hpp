/// A thread that reads from the disk tier's store.
#pragma once

#include "actors/disk_writer.hpp"

namespace terrace {

using disk_reader_actor = caf::typed_actor<
  caf::replies_to<fetch_atom, keys>::with<lookups>,
  // Look-ups without values; see `lmdb_store::probe`.
  caf::replies_to<probe_atom, keys>::with<lookups>,
  caf::replies_to<list_atom, list_request>::with<key_page>,
  caf::replies_to<count_atom, tenant_id>::with<std::uint64_t>,
  // Makes a checkpoint; see `lmdb_store::checkpoint`. False: it failed.
  caf::replies_to<commit_atom>::with<bool>>;

/// Blocks on page faults, hence it is spawned detached in a running node. Has
/// no state of its own: it dies with the actor that it is linked to.
class disk_reader_state {
public:
  static inline const char* name = "terrace.disk_reader";

  explicit disk_reader_state(disk_reader_actor::pointer self) : self_(self) {
    // nop
  }

  disk_reader_actor::behavior_type make_behavior(lmdb_store_ptr store,
                                                 now_fn now);

private:
  disk_reader_actor::pointer self_; ///< the actor
  lmdb_store_ptr store_;            ///< shared with the front and the writer
  now_fn now_;                      ///< Unix milliseconds
};

disk_reader_actor::behavior_type
disk_reader(disk_reader_actor::stateful_pointer<disk_reader_state> self,
            lmdb_store_ptr store, now_fn now);

} // namespace terrace
