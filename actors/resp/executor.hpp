/// Executes requests for one I/O thread. Reads that L1 can answer are answered
/// at once; everything else becomes requests to coordinators or a call of
/// another actor. Knows no socket and no actor: what is to be sent lies in the
/// shard queues and in the session.
#pragma once

#include "actors/clock.hpp"
#include "actors/resp/command_table.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp/set_options.hpp"
#include "config/live_options.hpp"
#include "tiers/memory_view.hpp"

#include <vector>

namespace terrace::resp {

/// One parsed request. `args` includes the name.
struct invocation {
  const command* what = nullptr; ///< null: not in the table
  arguments args;
  std::uint64_t hash = 0; ///< of the first key, if `keyed`
  bool keyed = false;
};

/// What became of a request.
enum class verdict : std::uint8_t {
  done,    ///< answered, or its reply has a slot
  wait,    ///< not begun: try again when something under way has ended
  service, ///< the session's `call` is to be made
};

/// Look-ups of keys by commands that answer values or facts about keys.
/// `hits + misses + errors = requests`.
struct request_counters {
  std::uint64_t commands = 0;
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t errors = 0;
  std::uint64_t auth_failures = 0;
  std::uint64_t error_replies = 0;
};

/// Bytes of changes that may be under way in one I/O thread; past it, clients
/// get an error.
inline constexpr std::size_t max_queued_bytes = 256u << 20;

class executor {
public:
  // -- constructors -----------------------------------------------------------

  /// All references outlive the executor.
  /// `opts`: as the node was started; `live`: what is in force now.
  executor(const options& opts, const live_options& live, memory_view& view,
           client_registry& clients);

  // -- requests ---------------------------------------------------------------

  /// Hashes the first keys of `xs`, whose commands are known already, and asks
  /// the processor for the memory they will need.
  void prepare(const session& s, std::span<invocation> xs) const;

  /// Executes one request that `prepare` has seen.
  verdict run(session& s, const invocation& x,
              const epoch_domain::guard& pinned, std::int64_t now_ms);

  // -- results ----------------------------------------------------------------

  /// A message to a coordinator was answered; to be called before its results
  /// are delivered.
  void done(std::size_t shard, std::size_t bytes);

  void deliver(session& s, const target& to, lookup& x, std::int64_t now_ms);

  void deliver(session& s, const target& to, mutation_result& x);

  void fail(session& s, const target& to, errc why, bool write);

  // -- state ------------------------------------------------------------------

  shard_queue& shard(std::size_t i) noexcept {
    return shards_[i];
  }

  /// Shards with something new to send since the last call; valid until the
  /// next call.
  const std::vector<std::size_t>& take_dirty();

  const request_counters& counters() const noexcept {
    return counters_;
  }

  void reset_counters() noexcept {
    counters_ = request_counters{};
  }

private:
  struct context {
    session& s;
    const invocation& req;
    const epoch_domain::guard& pinned;
    std::int64_t now_ms;
    output& discarded;

    /// For commands that are answered at once.
    reply_writer out() const {
      return {s.sink(discarded), s.resp3};
    }

    std::string_view arg(std::size_t i) const {
      return req.args[i];
    }

    std::size_t size() const {
      return req.args.size();
    }
  };

  verdict dispatch(context& c);

  verdict error(context& c, std::string_view text);

  verdict unknown(context& c);

  verdict unknown_subcommand(context& c);

  verdict wrong_arity(context& c, const command& x);

  // -- reading keys (executor_read.cpp) ---------------------------------------

  verdict read_one(context& c, shape what);

  verdict read_many(context& c, shape what);

  /// Asks the coordinator for a key that L1 does not have.
  void fetch(context& c, std::uint64_t slot, std::uint32_t index,
             std::uint64_t hash, std::string_view key);

  /// Notes how a look-up ended.
  void count(const lookup& x) noexcept;

  /// The same for a change that answers what was there before.
  void count(const mutation_result& x) noexcept;

  /// Notes that a shard has something to send.
  void mark(std::size_t shard);

  // -- changing keys (executor_write.cpp) -------------------------------------

  verdict set(context& c);

  verdict set_with_expiry(context& c, time_unit unit);

  verdict set_plain(context& c, shape what);

  verdict mset(context& c);

  verdict getex(context& c);

  verdict erase(context& c, shape what);

  verdict expire(context& c, time_unit unit);

  verdict persist(context& c);

  /// CACHE.SET key value [EX s|PX ms] [TAGS n tag ...] [TIER name ...]
  verdict cache_set(context& c);

  /// Sends one change, for a reply of its own.
  verdict change(context& c, mutation x, shape what);

  void queue(context& c, std::uint64_t slot, std::uint32_t index,
             std::uint64_t hash, mutation x);

  /// The error for a key or value that is too large; empty if neither is.
  std::string oversize(std::string_view key, std::string_view value) const;

  // -- the connection (executor_session.cpp) ----------------------------------

  verdict ping(context& c);

  verdict select(context& c);

  verdict auth(context& c);

  /// False, with an error written, if the credentials are wrong.
  bool check_password(context& c, std::string_view user,
                      std::string_view password);

  verdict hello(context& c);

  verdict reset(context& c);

  verdict client(context& c);

  verdict client_kill(context& c);

  verdict client_list(context& c);

  verdict client_reply(context& c);

  verdict client_setinfo(context& c);

  /// Shuts connections down; this one only after its reply.
  std::size_t kill(context& c,
                   const std::function<bool(const client_info&)>& wanted,
                   bool skip_me);

  // -- the server (executor_server.cpp) ---------------------------------------

  verdict command_query(context& c);

  verdict command_keys(context& c);

  verdict command_list(context& c);

  verdict config(context& c);

  verdict info(context& c);

  verdict flush(context& c, selector::kind what);

  verdict cache_invalidate(context& c);

  verdict scan(context& c);

  verdict keys_query(context& c);

  verdict time(context& c);

  /// Hands a call over as soon as nothing of the connection is under way.
  verdict call(context& c, service_call x);

  verdict help(context& c, std::span<const std::string_view> lines);

  verdict config_set(context& c);

  const options& opts_;
  const live_options& live_;
  memory_view& view_;
  client_registry& clients_;
  std::vector<shard_queue> shards_;
  std::size_t queued_bytes_ = 0; ///< of changes, waiting or under way
  std::vector<std::size_t> dirty_;
  std::vector<std::size_t> taken_;
  request_counters counters_;
  output discarded_; ///< replies that a client does not want
  std::vector<const memory_node*> nodes_;
  std::vector<std::uint64_t> hashes_;
};

// -- keys in place
// --------------------------------------------------------------

/// Writes the tenant into the two bytes before `arg`, which the parser keeps
/// free for it, and returns the qualified key. Saves a copy per key.
inline std::string_view qualify_in_place(std::string_view arg,
                                         tenant_id tenant) noexcept {
  auto* p = const_cast<char*>(arg.data()) - tenant_prefix_size;
  p[0] = static_cast<char>(tenant >> 8);
  p[1] = static_cast<char>(tenant & 0xff);
  return {p, arg.size() + tenant_prefix_size};
}

/// Puts the line breaks back that `qualify_in_place` has overwritten, for
/// requests that will be parsed again.
inline void restore(arguments xs) noexcept {
  for (auto x : xs) {
    auto* p = const_cast<char*>(x.data()) - tenant_prefix_size;
    p[0] = '\r';
    p[1] = '\n';
  }
}

} // namespace terrace::resp
