/// Lets a thread that is not one of CAF's run the actors it wakes.
///
/// CAF hands a woken actor to `execution_unit::exec_later` of the sender's
/// unit. This unit keeps the actor and runs it in `drain()` on the calling
/// thread, so that a request to an idle actor becomes a function call (0.4 us)
/// instead of a thread hand-over (8 us and more). If the actor runs elsewhere
/// already, the caller waits for the reply as usual.
///
/// Rules: always send, then `drain()`, then receive. Never use it from inside
/// an actor's handler, except in a broker or a detached actor, whose thread is
/// its own. Never hold a lock that a handler may take. One thread at a time.
#pragma once

#include <caf/all.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <vector>

namespace terrace {

class caller_runs final : public caf::execution_unit {
public:
  /// Runs at most `max_messages` messages per actor and drain; an actor with
  /// more to do goes on in the scheduler.
  explicit caller_runs(caf::actor_system& sys, std::size_t max_messages = 64)
    : caf::execution_unit(&sys), max_messages_(max_messages) {
    // nop
  }

  ~caller_runs() override {
    for (auto* job : jobs_)
      system().scheduler().enqueue(job);
  }

  void exec_later(caf::resumable* job) override {
    jobs_.push_back(job);
  }

  /// Runs what was woken, and what that wakes in turn.
  void drain() {
    while (!jobs_.empty()) {
      auto* job = jobs_.back();
      jobs_.pop_back();
      switch (job->resume(this, max_messages_)) {
        case caf::resumable::resume_later:
          system().scheduler().enqueue(job);
          break;
        case caf::resumable::shutdown_execution_unit:
          break;
        default:
          caf::intrusive_ptr_release(job);
      }
    }
  }

private:
  std::size_t max_messages_;
  std::vector<caf::resumable*> jobs_;
};

} // namespace terrace
