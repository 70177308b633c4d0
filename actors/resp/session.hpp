/// One connection: what was read and not yet understood, what is to be written,
/// and what its requests mean.
#pragma once

#include "actors/resp/clients.hpp"
#include "actors/resp/parser.hpp"
#include "actors/resp/shard_queue.hpp"
#include "actors/resp/slot.hpp"
#include "messages/list_request.hpp"
#include "messages/selector.hpp"
#include "messages/setting.hpp"

#include <array>
#include <deque>
#include <set>

namespace terrace::resp {

/// Work for an actor other than a coordinator. It begins when all earlier
/// requests of the connection are answered, and later ones wait for its end.
struct service_call {
  enum class kind : std::uint8_t {
    flush,      ///< `what`; answers OK
    invalidate, ///< `what`; answers how many entries were removed
    scan,       ///< `step`
    keys,       ///< `step.glob`
    count,      ///< keys of the connection's tenant
    info,       ///< `sections`
    configure,  ///< `changes`; answers OK
    reset,      ///< sets the counters of all actors back
  };

  kind what = kind::count;
  selector selected;
  scan_request step;
  bool muted = false;      ///< the client wants no reply
  bool hide_found = false; ///< scan: no key has the wanted type
  std::set<std::string> sections;
  settings changes;
};

/// Owned by one I/O thread.
class session {
public:
  /// Requests under way, for one connection.
  static constexpr std::size_t max_pending = 1024;

  /// Bytes of changes under way, for one connection.
  static constexpr std::size_t max_pending_bytes = 4u << 20;

  session(client_ptr x, bool needs_password)
    : info(std::move(x)), authenticated(!needs_password) {
    // nop
  }

  // -- identity ---------------------------------------------------------------

  client_ptr info;
  tenant_id tenant = 0;
  bool resp3 = false;
  bool authenticated;

  /// CLIENT REPLY.
  enum class replies : std::uint8_t { on, off, skip_next, skip_this };
  replies mode = replies::on;

  bool muted() const noexcept {
    return mode == replies::off || mode == replies::skip_this;
  }

  // -- input ------------------------------------------------------------------

  byte_buffer in;
  class parser parser;
  std::uint32_t read_chunk = 0;
  std::uint32_t small_reads = 0;
  bool stop = false;      ///< is not to be read from
  bool halted = false;    ///< CAF was told not to read
  bool switching = false; ///< `halted` becomes `stop` in the next turn
  bool blocked = false;   ///< a service call is under way
  bool waiting = false;   ///< the next request waits for one under way
  bool closing = false;   ///< executes nothing more; closed once all is sent
  bool shut = false;      ///< shut down, waiting for CAF to notice
  service_call call;

  // -- output -----------------------------------------------------------------

  output out;
  std::size_t in_kernel_queue = 0; ///< bytes given to CAF and not yet sent
  std::int64_t progress_ms = 0;    ///< when the client last took something

  /// Where the reply of the request being executed goes.
  output& sink(output& discarded) {
    if (!muted())
      return tail();
    discarded.clear();
    return discarded;
  }

  /// The end of everything that is to be sent.
  output& tail() {
    if (slots_.empty())
      return out;
    if (!slots_.back().is_text()) {
      slots_.emplace_back();
      text_bytes_ = 0;
    }
    return slots_.back().text();
  }

  /// To be called when something was written to the tail.
  void written() noexcept {
    if (!slots_.empty() && slots_.back().is_text()) {
      auto size = slots_.back().bytes();
      slot_bytes_ += size - text_bytes_;
      text_bytes_ = size;
    }
  }

  /// To be called when a request was executed.
  void executed() noexcept {
    written();
    if (mode == replies::skip_next)
      mode = replies::skip_this;
    else if (mode == replies::skip_this)
      mode = replies::on;
  }

  /// Bytes that wait for the client to take them.
  std::size_t unsent() const noexcept {
    return out.size() + in_kernel_queue + slot_bytes_;
  }

  // -- replies to come --------------------------------------------------------

  bool idle() const noexcept {
    return slots_.empty();
  }

  /// Opens a reply and returns its number.
  std::uint64_t open(shape what, std::uint32_t results) {
    slots_.emplace_back(what, results, muted());
    return first_slot_ + slots_.size() - 1;
  }

  slot& at(std::uint64_t number) noexcept {
    return slots_[static_cast<std::size_t>(number - first_slot_)];
  }

  /// Notes the results of a slot before and after one was added.
  void account(std::size_t before, std::size_t after) noexcept {
    slot_bytes_ += after - before;
  }

  /// Moves the replies that are complete and in turn to `out`.
  void settle() {
    while (!slots_.empty() && slots_.front().ready()) {
      slot_bytes_ -= slots_.front().bytes();
      slots_.front().render(out, resp3);
      slots_.pop_front();
      ++first_slot_;
    }
  }

  // -- requests under way -----------------------------------------------------

  std::size_t reads_pending = 0;
  std::size_t writes_pending = 0;
  std::size_t bytes_pending = 0;

  /// Reads that may be under way; shrinks when values turn out to be large, so
  /// that the answers fit into the output limit.
  std::size_t read_window = 64;

  bool may_read() const noexcept {
    return reads_pending < read_window && slots_.size() < max_pending;
  }

  bool may_write() const noexcept {
    return writes_pending < max_pending && bytes_pending < max_pending_bytes
           && slots_.size() < max_pending;
  }

  void note_write(std::uint64_t hash) noexcept {
    ++writes_pending;
    written_[hash >> 20 & 3] |= std::uint64_t{1} << (hash >> 22 & 63);
  }

  void end_write() noexcept {
    if (--writes_pending == 0)
      written_ = {};
  }

  /// False if no change of the key is under way; true if perhaps one is.
  bool maybe_written(std::uint64_t hash) const noexcept {
    return writes_pending != 0
           && (written_[hash >> 20 & 3] >> (hash >> 22 & 63) & 1) != 0;
  }

  bool touched = false; ///< in the gateway's list of sessions to settle

private:
  std::deque<slot> slots_;
  std::uint64_t first_slot_ = 0;
  std::size_t slot_bytes_ = 0; ///< bytes of all slots
  std::size_t text_bytes_ = 0; ///< of which in the last slot, if it is text
  std::array<std::uint64_t, 4> written_{}; ///< a small Bloom filter of hashes
};

} // namespace terrace::resp
