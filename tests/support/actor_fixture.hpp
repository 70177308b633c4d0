// What actor tests share: a deterministic actor system that knows Terrace's
// types. Include after defining CAF_SUITE.
#pragma once

#define FAIL CAF_FAIL
#include <caf/test/dsl.hpp>

#include "messages/interfaces.hpp"

namespace terrace::test {

struct actor_config : caf::actor_system_config {
  actor_config() {
    add_terrace_types(*this);
  }
};

struct actor_fixture : test_coordinator_fixture<actor_config> {
  std::int64_t now_ms = 1'000'000;

  /// A clock that the test moves.
  std::function<std::int64_t()> clock() {
    return [this] { return now_ms; };
  }

  /// Sends a request, runs everything that follows and returns the answer. The
  /// test fails on an error.
  template <class R, class Handle, class... Ts>
  R ask(const Handle& to, Ts&&... xs) {
    R result{};
    auto pending = self->request(to, caf::infinite, std::forward<Ts>(xs)...);
    consume_messages();
    pending.receive([&](R& x) { result = std::move(x); },
                    [&](caf::error& why) {
                      CAF_FAIL("unexpected error: " << sys.render(why));
                    });
    return result;
  }

  /// Sends a request, runs everything that follows and returns the error.
  template <class R, class Handle, class... Ts>
  failure ask_failure(const Handle& to, Ts&&... xs) {
    failure result;
    auto pending = self->request(to, caf::infinite, std::forward<Ts>(xs)...);
    consume_messages();
    pending.receive([&](R&) { CAF_FAIL("an error was expected"); },
                    [&](caf::error& why) { result = to_failure(why); });
    return result;
  }

  template <class Handle>
  void stop(Handle& x) {
    caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
    consume_messages();
    x = Handle{};
  }
};

} // namespace terrace::test
