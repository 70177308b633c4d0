#include "actors/resp/gateway.hpp"

#include "actors/log.hpp"
#include "actors/resp/socket.hpp"

#include <sys/socket.h>

namespace terrace::resp {

namespace {

/// Messages that a coordinator handles at most before the sockets get their
/// turn.
constexpr std::size_t messages_per_run = 64;

/// Descriptors kept free for the rest of the node.
constexpr int spare_descriptors = 16;

constexpr std::string_view too_many_clients
  = "-ERR max number of clients reached\r\n";

} // namespace

// -- constructors -------------------------------------------------------------

gateway::gateway(caf::actor_config& cfg, io_thread& home,
                 gateway_shared_ptr shared, int listener)
  : pinned_broker(cfg, home),
    shared_(std::move(shared)),
    started_(shared_->services.config->get()),
    opts_(*started_),
    view_(*shared_->services.view),
    executor_(opts_, *shared_->services.config, view_, shared_->clients),
    unit_(home.multiplexer().system(), messages_per_run),
    log_(log_of("resp")),
    listener_(listener) {
  // nop
}

// -- actor --------------------------------------------------------------------

const char* gateway::name() const {
  return "terrace.resp";
}

caf::behavior gateway::make_behavior() {
  set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  auto doorman = home().multiplexer().new_doorman(listener_);
  acceptor_ = doorman->hdl();
  add_doorman(std::move(doorman));
  wake_up_later();
  return {
    [this](caf::io::new_data_msg& x) { received(x); },
    [this](const caf::io::data_transferred_msg& x) { transferred(x); },
    [this](const caf::io::new_connection_msg& x) { accept(x); },
    [this](const caf::io::connection_closed_msg& x) { closed(x.handle); },
    [this](const caf::io::acceptor_closed_msg&) {
      log_.error("the listening socket was closed");
    },
    [this](status_atom) { return status(); },
    [this](reset_atom) {
      counters_ = socket_counters{};
      executor_.reset_counters();
    },
    [this](tick_atom) { tick(); },
    [this](wake_atom) {
      tick();
      wake_up_later();
    },
  };
}

void gateway::wake_up_later() {
  delayed_send(this, std::chrono::seconds{1}, wake_atom_v);
}

void gateway::on_exit() {
  for (auto& s : sessions_) {
    if (s) {
      ::shutdown(s->info->fd, SHUT_RDWR);
      shared_->clients.remove(s->info->id);
    }
  }
  sessions_.clear();
  connections_ = 0;
}

// -- connections --------------------------------------------------------------

void gateway::accept(const caf::io::new_connection_msg& x) {
  auto fd = static_cast<int>(x.handle.id());
  auto at = static_cast<std::size_t>(fd);
  if (shared_->clients.size() >= shared_->max_clients) {
    ++counters_.rejected;
    ::send(fd, too_many_clients.data(), too_many_clients.size(),
           MSG_DONTWAIT | MSG_NOSIGNAL);
    ::shutdown(fd, SHUT_RDWR);
    // CAF sees the end of the connection at the next read.
    configure_read(x.handle, caf::io::receive_policy::at_most(64));
    return;
  }
  ++counters_.accepted;
  tune_connection(fd);
  auto info = std::make_shared<client_info>();
  auto now = shared_->services.now();
  info->fd = fd;
  info->address = peer_address(fd);
  info->local = local_address(fd);
  info->since_ms = now;
  info->last_ms = now;
  shared_->clients.add(info);
  if (sessions_.size() <= at)
    sessions_.resize(at + 1);
  sessions_[at] = std::make_unique<session>(std::move(info),
                                            !opts_.resp.password.empty());
  sessions_[at]->progress_ms = now;
  ++connections_;
  adapt_read_size(*sessions_[at], 0);
  ack_writes(x.handle, true);
  if (static_cast<std::uint64_t>(fd) + spare_descriptors
      >= shared_->descriptor_limit) {
    // Accepting without descriptors would spin: CAF does not tell its failure.
    log_.warn("no descriptors left, accepting no more clients for now");
    acceptor_halted_ = true;
    halt(acceptor_);
  }
}

void gateway::closed(caf::io::connection_handle hdl) {
  auto* s = find(hdl);
  if (!s)
    return;
  shared_->clients.remove(s->info->id);
  sessions_[static_cast<std::size_t>(hdl.id())].reset();
  --connections_;
  if (acceptor_halted_) {
    acceptor_halted_ = false;
    // No halt can be in that turn: clients come by the sockets' own events.
    in_next_turn([this] {
      if (!acceptor_halted_)
        trigger(acceptor_);
    });
  }
}

session* gateway::find(caf::io::connection_handle hdl) {
  auto at = static_cast<std::size_t>(hdl.id());
  return at < sessions_.size() ? sessions_[at].get() : nullptr;
}

session* gateway::find(const target& x) {
  auto at = static_cast<std::size_t>(x.fd);
  auto* s = at < sessions_.size() ? sessions_[at].get() : nullptr;
  return s && s->info->id == x.connection ? s : nullptr;
}

void gateway::shut(session& s) {
  if (s.shut)
    return;
  s.shut = true;
  s.closing = true;
  s.out.release();
  s.in.release();
  ::shutdown(s.info->fd, SHUT_RDWR);
  // A socket that is not read from would not be noticed to have ended.
  stop_reading(s, false);
}

void gateway::tick() {
  auto now = shared_->services.now();
  auto stall = opts_.resp.output_stall.count();
  auto idle = opts_.resp.idle_timeout.count();
  for (auto& s : sessions_) {
    if (!s || s->shut)
      continue;
    auto last_ms = s->info->last_ms.load(std::memory_order_relaxed);
    if (s->info->killed.load(std::memory_order_relaxed)) {
      // One that is not read from does not notice by itself.
      shut(*s);
      continue;
    }
    // Whoever still sends may read later.
    auto quiet = now - std::max(s->progress_ms, last_ms);
    if (s->in_kernel_queue > 0 && quiet > stall) {
      ++counters_.output_limit_disconnects;
      log_.warn("{} lets replies wait and has sent nothing for {} ms, "
                "disconnecting it",
                s->info->address, quiet);
      shut(*s);
    } else if (idle > 0 && s->idle() && !s->blocked && now - last_ms > idle) {
      ++counters_.idle_disconnects;
      shut(*s);
    }
  }
}

actor_status gateway::status() const {
  auto& x = executor_.counters();
  actor_status result;
  result.name = "resp";
  result.counters = {
    {"connections", connections_},
    {"accepted", counters_.accepted},
    {"rejected", counters_.rejected},
    {"commands", x.commands},
    {"requests", x.requests},
    {"request_hits", x.hits},
    {"request_misses", x.misses},
    {"request_errors", x.errors},
    {"error_replies", x.error_replies},
    {"auth_failures", x.auth_failures},
    {"protocol_errors", counters_.protocol_errors},
    {"output_limit_disconnects", counters_.output_limit_disconnects},
    {"idle_disconnects", counters_.idle_disconnects},
    {"net_in_bytes", counters_.net_in_bytes},
    {"net_out_bytes", counters_.net_out_bytes},
  };
  return result;
}

} // namespace terrace::resp
