/// Further I/O threads. CAF's middleman has one; each of these has a
/// multiplexer of its own, and brokers that live on it.
#pragma once

#include <caf/all.hpp>
#include <caf/io/broker.hpp>
#include <caf/io/network/default_multiplexer.hpp>

#include <future>
#include <thread>

namespace terrace {

/// A thread that runs a multiplexer from construction until `stop`. Must end
/// before the actor system does. Make and stop it from one thread.
class io_thread {
public:
  explicit io_thread(caf::actor_system& sys) : multiplexer_(&sys) {
    supervisor_ = multiplexer_.make_supervisor();
    std::promise<void> ready;
    auto started = ready.get_future();
    thread_ = std::thread([this, &ready] {
      multiplexer_.thread_id(std::this_thread::get_id());
      ready.set_value();
      multiplexer_.run();
    });
    started.wait();
  }

  io_thread(const io_thread&) = delete;

  io_thread& operator=(const io_thread&) = delete;

  ~io_thread() {
    stop();
  }

  /// Blocks until the brokers have ended and their sockets are gone.
  void stop() {
    supervisor_.reset();
    if (thread_.joinable())
      thread_.join();
  }

  caf::io::network::default_multiplexer& multiplexer() noexcept {
    return multiplexer_;
  }

private:
  caf::io::network::default_multiplexer multiplexer_;
  caf::io::network::multiplexer::supervisor_ptr supervisor_;
  std::thread thread_;
};

/// A broker on an I/O thread. CAF's own brokers always wake up on the
/// middleman's thread; these on theirs. May not fork, and adds servants only
/// through its thread's multiplexer.
class pinned_broker : public caf::io::broker {
public:
  pinned_broker(caf::actor_config& cfg, io_thread& home)
    : caf::io::broker(cfg), home_(home) {
    // nop
  }

  using caf::io::broker::enqueue;

  void enqueue(caf::mailbox_element_ptr x, caf::execution_unit*) override {
    caf::scheduled_actor::enqueue(std::move(x), &home_.multiplexer());
  }

  void enqueue(caf::strong_actor_ptr from, caf::message_id mid,
               caf::message content, caf::execution_unit*) override {
    enqueue(caf::make_mailbox_element(std::move(from), mid, {},
                                      std::move(content)),
            nullptr);
  }

protected:
  io_thread& home() noexcept {
    return home_;
  }

private:
  io_thread& home_;
};

/// Spawns a broker class whose constructor takes the actor's configuration, the
/// thread, and `xs`.
template <class Broker, class... Ts>
caf::actor spawn_pinned(caf::actor_system& sys, io_thread& home, Ts&&... xs) {
  caf::actor_config cfg{&home.multiplexer()};
  return sys.spawn_class<Broker, caf::no_spawn_options>(
    cfg, home, std::forward<Ts>(xs)...);
}

} // namespace terrace
