/// Holds back the wake-ups that an actor causes until it has sent all it has to
/// send.
///
/// CAF hands a woken actor to `execution_unit::exec_later` of the sender's
/// unit, which wakes a thread for it. An actor that answers many requests of a
/// few others wakes them with the first answer, runs dry of work for them
/// before the second, and wakes them again: a thread hand-over per answer. With
/// this object in scope they are woken once, when all answers are there.
///
/// Rules: use it inside a handler, and send only what may wait for the end of
/// the scope.
#pragma once

#include <caf/all.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <vector>

namespace terrace {

class held_wakes final : public caf::execution_unit {
public:
  explicit held_wakes(caf::local_actor& self)
    : caf::execution_unit(&self.system()), self_(self), unit_(self.context()) {
    if (unit_)
      proxy_registry_ptr(unit_->proxy_registry_ptr());
    self_.context(this);
  }

  held_wakes(const held_wakes&) = delete;

  held_wakes& operator=(const held_wakes&) = delete;

  ~held_wakes() override {
    self_.context(unit_);
    for (auto* job : jobs_)
      if (unit_)
        unit_->exec_later(job);
      else
        system().scheduler().enqueue(job);
  }

  void exec_later(caf::resumable* job) override {
    jobs_.push_back(job);
  }

private:
  caf::local_actor& self_;
  caf::execution_unit* unit_; /// Of the actor.
  std::vector<caf::resumable*> jobs_;
};

} // namespace terrace
