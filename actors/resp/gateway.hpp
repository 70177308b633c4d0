/// The actor of one I/O thread of the RESP face: its sockets, their limits, and
/// the messages that its clients' requests become.
///
/// One read from a socket brings many requests. They are parsed together, so
/// that the memory they need is on its way before the first is executed; those
/// that L1 answers are answered at once; the others become one message per
/// coordinator. The thread runs idle coordinators itself (caller_runs.hpp), so
/// their answers are usually there before it turns to the next socket.
///
/// Replies keep the order of the requests. Nothing is executed while more than
/// the soft limit waits for a client, so the replies that a slow client costs
/// are bounded by that limit and one of them, and the requests by the size that
/// one may have.
#pragma once

#include "actors/caller_runs.hpp"
#include "actors/io_thread.hpp"
#include "actors/resp/executor.hpp"
#include "actors/resp/info.hpp"
#include "actors/resp/services.hpp"

#include <caf/io/all.hpp>
#include <spdlog/logger.h>

#include <memory>
#include <vector>

namespace terrace::resp {

/// What the gateways of a node share.
struct gateway_shared {
  resp_services services;
  client_registry clients;
  std::size_t max_clients = 0; ///< may be less than configured
  std::uint64_t descriptor_limit = 0;
  std::uint16_t port = 0;
};

using gateway_shared_ptr = std::shared_ptr<gateway_shared>;

class gateway final : public pinned_broker {
public:
  // -- constructors -----------------------------------------------------------

  /// Takes over `listener`, a listening socket.
  gateway(caf::actor_config& cfg, io_thread& home, gateway_shared_ptr shared,
          int listener);

  // -- actor ------------------------------------------------------------------

  const char* name() const override;

  /// Beyond the sockets' events: status, reset, and `tick`, which looks for
  /// idle and stalled clients; the gateway sends itself one every second.
  caf::behavior make_behavior() override;

  void on_exit() override;

private:
  // -- connections (gateway.cpp) ----------------------------------------------

  void accept(const caf::io::new_connection_msg& x);

  void closed(caf::io::connection_handle hdl);

  void tick();

  void wake_up_later();

  session* find(caf::io::connection_handle hdl);

  session* find(const target& x);

  /// Ends a connection without regard to what is not sent yet.
  void shut(session& s);

  actor_status status() const;

  // -- input (gateway_input.cpp) ----------------------------------------------

  void received(caf::io::new_data_msg& x);

  void adapt_read_size(session& s, std::size_t size);

  /// Executes what waits in the session's buffer, then writes.
  void go_on(session& s);

  /// Executes requests from the beginning of `in` for as long as it may go on;
  /// returns how many bytes are done with.
  std::size_t execute(session& s, std::span<char> in);

  /// Parses a batch of requests; see `parsed_`.
  parser::outcome parse(session& s, std::span<char> in);

  /// Idle sessions hold no buffers: there may be very many of them.
  void give_memory_back(session& s);

  /// Stops or starts reading as the session's state wants it.
  void regulate(session& s);

  /// Stops or starts reading with the next turn of the loop; what is asked for
  /// last counts.
  void stop_reading(session& s, bool stop);

  /// Runs `f` in the next turn of the thread's loop, or never if that ends.
  ///
  /// CAF 0.17.6 carries out `halt` and `trigger` at the end of a turn, and a
  /// stream or acceptor learns only then that it is not read from any longer.
  /// So the second of two calls in one turn is lost. A `trigger` after a `halt`
  /// does nothing, because the stream is still read from, and then it is not. A
  /// `halt` after a `trigger` takes back what was to be carried out; the stream
  /// believes that it is read from, and every later `trigger` does nothing.
  /// (`stream::activate`, `stream::removed_from_loop`,
  /// `default_multiplexer::new_event`.) One call a turn is safe.
  template <class F>
  void in_next_turn(F f) {
    home().multiplexer().post(
      [keep = caf::strong_actor_ptr{ctrl()}, f = std::move(f)] { f(); });
  }

  // -- output (gateway_output.cpp) --------------------------------------------

  void transferred(const caf::io::data_transferred_msg& x);

  /// Writes as much as the socket takes and hands the beginning of the rest to
  /// CAF, which tells when the socket takes more.
  void write_out(session& s);

  void hand_over(session& s);

  // -- other actors (gateway_calls.cpp) ---------------------------------------

  /// Sends what was queued for the coordinators and runs those that are idle.
  void send_batches();

  void send_batch(std::size_t shard, shard_batch batch);

  void send_lookups(std::size_t shard, shard_batch batch);

  void send_changes(std::size_t shard, shard_batch batch);

  /// Calls `f(session, index)` for the results of a batch whose clients are
  /// still there, then goes on with these.
  template <class F>
  void distribute(std::size_t shard, const shard_batch& batch, F&& f);

  void start_call(session& s);

  /// Ends a service call: `f(reply_writer)` writes the answer if the client is
  /// still there.
  template <class F>
  void end_call(const target& to, F&& f);

  void call_invalidate(const target& to, const service_call& x);

  void call_scan(const target& to, const service_call& x);

  void call_info(const target& to, std::set<std::string> sections);

  struct info_call {
    info_call(const target& x, std::set<std::string> names,
              std::shared_ptr<const options> opts)
      : to(x),
        sections(std::move(names)),
        in_force(std::move(opts)),
        facts(*in_force) {
      // nop
    }

    target to;
    std::set<std::string> sections;
    std::shared_ptr<const options> in_force;
    info_facts facts;
    std::size_t open = 1;
  };

  void settle_info(const std::shared_ptr<info_call>& x);

  // -- state ------------------------------------------------------------------

  struct socket_counters {
    std::uint64_t accepted = 0;
    std::uint64_t rejected = 0;
    std::uint64_t protocol_errors = 0;
    std::uint64_t output_limit_disconnects = 0;
    std::uint64_t idle_disconnects = 0;
    std::uint64_t net_in_bytes = 0;
    std::uint64_t net_out_bytes = 0;
  };

  /// A batch of parsed requests: their arguments one after the other, and for
  /// each request where its arguments and its bytes end.
  struct parsed_requests {
    struct mark {
      std::size_t args_end;
      std::size_t bytes_end;
    };
    std::vector<std::string_view> args;
    std::vector<mark> marks;
    std::vector<invocation> requests;
    std::size_t bytes = 0; ///< understood, empty requests included
  };

  gateway_shared_ptr shared_;                      ///< services and registry
  std::shared_ptr<const options> started_;         ///< as the node was
  const options& opts_;                            ///< what `started_` has
  memory_view& view_;                              ///< read side of L1
  executor executor_;                              ///< runs requests
  caller_runs unit_;                               ///< runs woken coordinators
  spdlog::logger& log_;                            ///< component resp
  int listener_;                                   ///< until made a doorman
  caf::io::accept_handle acceptor_;                ///< the doorman
  bool acceptor_halted_ = false;                   ///< out of descriptors
  std::vector<std::unique_ptr<session>> sessions_; ///< by descriptor
  std::size_t connections_ = 0;                    ///< non-null sessions
  std::vector<session*> touched_;                  ///< scratch
  parsed_requests parsed_;                         ///< scratch
  output spare_;                                   ///< for who has none
  socket_counters counters_;                       ///< since start or reset
};

} // namespace terrace::resp
