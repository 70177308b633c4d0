/// Blocking requests to actors from threads that are not CAF's.
#pragma once

#include "actors/caller_runs.hpp"
#include "messages/expected.hpp"
#include "messages/types.hpp"

#include <caf/all.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace terrace {

/// A hidden actor whose mailbox receives the answers. One thread at a time;
/// threads take one from a `caller_pool`.
class caller {
public:
  explicit caller(caf::actor_system& sys) : unit_(sys), self_(sys, true) {
    normal_ = self_->context();
  }

  caller(const caller&) = delete;

  caller& operator=(const caller&) = delete;

  /// Sends one request to each element of `to`; `message(i, send)` calls
  /// `send(args...)` with the message for the i-th. Then collects the answers
  /// in order and calls `done(i, expected<R>)` for each. The actors must answer
  /// by rule; no timer is started.
  template <class R, class Handle, class Message, class Done>
  void call_all(const std::vector<const Handle*>& to, Message&& message,
                Done&& done) {
    self_->context(&unit_);
    auto request = [&](std::size_t i) {
      return message(i, [&](auto&&... xs) {
        return self_->request(*to[i], caf::infinite,
                              std::forward<decltype(xs)>(xs)...);
      });
    };
    using handle_type = decltype(request(0));
    std::vector<handle_type> pending;
    pending.reserve(to.size());
    for (std::size_t i = 0; i < to.size(); ++i)
      pending.push_back(request(i));
    unit_.drain();
    self_->context(normal_);
    for (std::size_t i = 0; i < to.size(); ++i) {
      pending[i].receive([&](R& x) { done(i, expected<R>{std::move(x)}); },
                         [&](caf::error& why) {
                           done(i, expected<R>{to_failure(why)});
                         });
    }
  }

  /// One request, one answer.
  template <class R, class Handle, class... Ts>
  expected<R> call(const Handle& to, Ts&&... xs) {
    self_->context(&unit_);
    auto pending = self_->request(to, caf::infinite, std::forward<Ts>(xs)...);
    unit_.drain();
    self_->context(normal_);
    expected<R> result{failure{errc::shutting_down, {}}};
    pending.receive([&](R& x) { result = std::move(x); },
                    [&](caf::error& why) { result = to_failure(why); });
    return result;
  }

private:
  caller_runs unit_;
  caf::scoped_actor self_;
  caf::execution_unit* normal_ = nullptr;
};

/// Hands out callers and takes them back. Thread-safe. Must be closed before
/// the actor system ends: callers belong to it.
class caller_pool {
public:
  explicit caller_pool(caf::actor_system& sys) : sys_(sys) {
    // nop
  }

  class lease {
  public:
    lease(caller_pool& pool, std::unique_ptr<caller> x)
      : pool_(pool), x_(std::move(x)) {
      // nop
    }

    lease(const lease&) = delete;

    ~lease() {
      pool_.give_back(std::move(x_));
    }

    caller* operator->() const noexcept {
      return x_.get();
    }

    /// False after `close`: nothing can be called any more.
    explicit operator bool() const noexcept {
      return x_ != nullptr;
    }

  private:
    caller_pool& pool_;
    std::unique_ptr<caller> x_;
  };

  lease take();

  /// Waits for the leases that are out, then frees all callers.
  void close();

private:
  friend class lease;

  void give_back(std::unique_ptr<caller> x);

  caf::actor_system& sys_;
  std::mutex mutex_;
  std::condition_variable all_back_;
  std::vector<std::unique_ptr<caller>> idle_;
  std::size_t out_ = 0;
  bool closed_ = false;
};

} // namespace terrace
