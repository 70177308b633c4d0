/// Trains the dictionaries of the node (tiers/dictionary_set.hpp), on a thread
/// of its own.
#pragma once

#include "messages/interfaces.hpp"
#include "tiers/dictionary_set.hpp"

#include <chrono>

namespace terrace {

using dictionary_trainer_actor = caf::typed_actor<
  // Trains what is due; sent by the actor to itself.
  caf::reacts_to<tick_atom>, caf::replies_to<status_atom>::with<actor_status>,
  caf::reacts_to<reset_atom>>;

/// Looks once a second whether a family of keys is due. A training keeps a core
/// busy for some 100 ms with the default options, which is why whoever spawns
/// this chooses `caf::detached`, and how long the end may take. Its status
/// gives the duration of trainings as latency.
class dictionary_trainer_state {
public:
  static inline const char* name = "terrace.dictionaries";

  static constexpr std::chrono::seconds interval{1};

  explicit dictionary_trainer_state(dictionary_trainer_actor::pointer self)
    : self_(self) {
    // nop
  }

  dictionary_trainer_actor::behavior_type make_behavior(dictionary_set_ptr set);

private:
  void tick();

  actor_status status() const;

  dictionary_trainer_actor::pointer self_; ///< the actor
  dictionary_set_ptr set_;                 ///< shared with the codecs
  dictionary_set::figures before_;         ///< at the last reset
  latency_recorder latency_;               ///< of trainings
};

dictionary_trainer_actor::behavior_type dictionary_trainer(
  dictionary_trainer_actor::stateful_pointer<dictionary_trainer_state> self,
  dictionary_set_ptr set);

} // namespace terrace
