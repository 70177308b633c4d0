/// A RESP server over real sockets with a backend that the test controls.
#pragma once

#include "actors/configurator.hpp"
#include "actors/log.hpp"
#include "actors/resp/server.hpp"
#include "tests/support/fake_backend.hpp"

#include <caf/io/middleman.hpp>
#include <caf/test/unit_test.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace terrace::test {

struct gateway_config : caf::actor_system_config {
  explicit gateway_config(std::size_t messages_per_run) {
    add_terrace_types(*this);
    load<caf::io::middleman>();
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::size_t{2});
    set("scheduler.max-throughput", messages_per_run);
    set("middleman.max-consecutive-reads", std::size_t{1});
  }
};

/// A RESP server on a port of its own, with one coordinator.
struct gateway_fixture {
  gateway_config cfg;
  caf::actor_system sys{cfg};
  std::shared_ptr<options> opts = std::make_shared<options>();
  memory_view_ptr view = std::make_shared<memory_view>(1, 64, 1);
  backend_ptr back = std::make_shared<backend>();
  std::atomic<std::int64_t> now{1'700'000'000'000};
  now_fn clock = [this] { return now.load(); }; ///< what the server asks
  std::vector<caf::actor> others;
  coordinator_actor coordinator;
  std::unique_ptr<resp_server> server;

  /// The actors handle so many messages at most before others get their turn.
  explicit gateway_fixture(std::size_t messages_per_run = 64)
    : cfg(messages_per_run) {
    opts->resp.port = 0;
    opts->resp.io_threads = 1;
    log_options quiet;
    quiet.level = "off";
    (void)open_log(quiet);
  }

  ~gateway_fixture() {
    server.reset();
    caf::scoped_actor self{sys};
    for (auto& x : others)
      self->send_exit(x, caf::exit_reason::user_shutdown);
    others.clear();
    coordinator = nullptr;
  }

  template <class Handle>
  Handle keep(Handle x) {
    others.push_back(caf::actor_cast<caf::actor>(x));
    return x;
  }

  std::uint16_t start() {
    coordinator = keep(sys.spawn(fake_coordinator, back));
    auto live = std::make_shared<live_options>(*opts);
    std::vector<memory_tier_actor> no_memory;
    auto x = resp_server::start(sys,
                                {view,
                                 {coordinator},
                                 keep(sys.spawn(fake_invalidator, back)),
                                 keep(sys.spawn(fake_keyspace, back)),
                                 keep(sys.spawn(fake_metrics)),
                                 keep(sys.spawn(configurator, live, no_memory)),
                                 clock,
                                 live});
    if (!x)
      CAF_FAIL(to_string(x.error()));
    server = *std::move(x);
    return server->port();
  }

  void remember(const std::string& key, std::string_view value) {
    auto qualified = qualify(0, key);
    auto& table = view->table(0);
    table.insert(memory_node::make(table.arena(), qualified,
                                   {blob::copy(value), 1, 0, {}}, 0),
                 view->hash(qualified));
  }

  void release() {
    back->hold = false;
    caf::anon_send(coordinator, reset_atom_v);
  }

  std::uint64_t counter(const std::string& name) {
    caf::scoped_actor self{sys};
    std::uint64_t result = 0;
    self->request(server->gateways()[0], caf::infinite, status_atom_v)
      .receive([&](actor_status& x) { result = x.counters.at(name); },
               [&](caf::error& why) { CAF_FAIL(sys.render(why)); });
    return result;
  }

  void tick() {
    caf::anon_send(server->gateways()[0], tick_atom_v);
  }
};

} // namespace terrace::test
