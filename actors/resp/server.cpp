#include "actors/resp/server.hpp"

#include "actors/log.hpp"
#include "actors/resp/gateway.hpp"
#include "actors/resp/socket.hpp"

#include <algorithm>
#include <thread>

namespace terrace {

namespace {

/// Descriptors that the rest of the node may need: files, Redis, HTTP.
constexpr std::uint64_t reserved_descriptors = 160;

/// More I/O threads than this have never been of use.
constexpr unsigned most_threads = 16;

std::size_t thread_count(const resp_options& opts) {
  if (opts.io_threads != 0)
    return opts.io_threads;
  // The other half of the cores is for the actors.
  auto cores = std::max(1u, std::thread::hardware_concurrency());
  return std::clamp(cores / 2, 1u, most_threads);
}

} // namespace

struct resp_server::parts {
  explicit parts(caf::actor_system& x) : sys(x) {
    // nop
  }

  ~parts() {
    stop();
  }

  void stop() {
    // The scoped actor waits until every broker has shut its sockets down; only
    // then can the threads' loops run empty.
    {
      caf::scoped_actor self{sys, true};
      for (auto& x : gateways)
        self->send_exit(x, caf::exit_reason::user_shutdown);
      for (auto& x : gateways)
        self->wait_for(x);
    }
    gateways.clear();
    threads.clear();
  }

  caf::actor_system& sys;
  resp::gateway_shared_ptr shared = std::make_shared<resp::gateway_shared>();
  std::vector<std::unique_ptr<io_thread>> threads;
  std::vector<caf::actor> gateways;
};

expected<std::unique_ptr<resp_server>>
resp_server::start(caf::actor_system& sys, resp_services services) {
  auto config = services.config->get();
  auto& opts = config->resp;
  auto n = thread_count(opts);
  auto listeners = resp::listen_on(opts.bind, opts.port, n);
  if (!listeners)
    return listeners.error();
  auto x = std::make_unique<parts>(sys);
  auto& shared = *x->shared;
  shared.port = resp::local_port(listeners->front());
  auto wanted = opts.max_clients + reserved_descriptors;
  shared.descriptor_limit = resp::raise_descriptor_limit(wanted);
  shared.max_clients = opts.max_clients;
  if (shared.descriptor_limit < wanted) {
    shared.max_clients = shared.descriptor_limit > 2 * reserved_descriptors
                           ? shared.descriptor_limit - reserved_descriptors
                           : shared.descriptor_limit / 2;
    log_of("resp").warn("the limit on open files allows {} clients only, not "
                        "{}",
                        shared.max_clients, opts.max_clients);
  }
  auto metrics = services.metrics;
  shared.services = std::move(services);
  for (std::size_t i = 0; i < n; ++i) {
    x->threads.push_back(std::make_unique<io_thread>(sys));
    x->gateways.push_back(spawn_pinned<resp::gateway>(
      sys, *x->threads.back(), x->shared, (*listeners)[i]));
    caf::anon_send(metrics, caf::join_atom_v, "resp." + std::to_string(i),
                   x->gateways.back());
  }
  // A broker that is told to end before it has begun would leave its listening
  // socket behind: begin them all.
  caf::scoped_actor self{sys, true};
  for (auto& gateway : x->gateways)
    self->request(gateway, caf::infinite, status_atom_v)
      .receive([](const actor_status&) {}, [](const caf::error&) {});
  log_of("resp").info("listening on {}:{} with {} threads", opts.bind,
                      shared.port, n);
  return std::unique_ptr<resp_server>{new resp_server(std::move(x))};
}

resp_server::resp_server(std::unique_ptr<parts> x) : parts_(std::move(x)) {
  // nop
}

resp_server::~resp_server() = default;

std::uint16_t resp_server::port() const noexcept {
  return parts_->shared->port;
}

const std::vector<caf::actor>& resp_server::gateways() const noexcept {
  return parts_->gateways;
}

void resp_server::stop() {
  parts_->stop();
}

} // namespace terrace
