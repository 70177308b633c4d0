#include "actors/dictionary_trainer.hpp"

#include <utility>

namespace terrace {

dictionary_trainer_actor::behavior_type
dictionary_trainer_state::make_behavior(dictionary_set_ptr set) {
  set_ = std::move(set);
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self_->delayed_anon_send(dictionary_trainer_actor{self_}, interval,
                           tick_atom_v);
  return {
    [this](tick_atom) { tick(); },
    [this](status_atom) { return status(); },
    [this](reset_atom) {
      before_ = set_->stats();
      latency_.reset();
    },
  };
}

void dictionary_trainer_state::tick() {
  using clock = std::chrono::steady_clock;
  auto start = clock::now();
  if (!set_->train_some()) {
    self_->delayed_anon_send(dictionary_trainer_actor{self_}, interval,
                             tick_atom_v);
    return;
  }
  latency_.record(clock::now() - start);
  // In between, others get their answers.
  caf::anon_send(dictionary_trainer_actor{self_}, tick_atom_v);
}

actor_status dictionary_trainer_state::status() const {
  auto now = set_->stats();
  actor_status result;
  result.name = name;
  result.counters = {
    {"dictionaries", now.dictionaries},
    {"dictionaries_in_use", now.in_use},
    {"dictionary_bytes", now.dictionary_bytes},
    {"families", now.traffic.families},
    {"sample_bytes", now.traffic.sample_bytes},
    {"samples", now.traffic.samples - before_.traffic.samples},
    {"drifts", now.traffic.drifts - before_.traffic.drifts},
    {"trainings", now.trainings - before_.trainings},
    {"rejected_trainings", now.rejected - before_.rejected},
  };
  result.latency = latency_.snapshot();
  return result;
}

dictionary_trainer_actor::behavior_type dictionary_trainer(
  dictionary_trainer_actor::stateful_pointer<dictionary_trainer_state> self,
  dictionary_set_ptr set) {
  return self->state.make_behavior(std::move(set));
}

} // namespace terrace
