/// The storage engine of L2: records in a Redis server, or in several by the
/// rules of tiers/redis_topology.hpp, over one connection to each.
///
/// A batch is a pipeline: everything is sent, then everything is read. Records
/// are stored in the form of tiers/codec.hpp under the names of
/// tiers/redis_keys.hpp. Redis expires them by itself, after the shorter of the
/// entry's own life and `max_ttl`; what it has not expired yet is checked
/// against `now_ms`. The server may be shared with other programs: nothing is
/// ever flushed, and purges delete only what carries the mark of a record.
///
/// Order. Writes and deletes are judged in the server by a script that compares
/// the version inside the stored record, so that two nodes cannot replace newer
/// by older either. In batches of 128, a write costs the server 2.7 us instead
/// of the 0.9 us of a bare SET; one connection still does some 250,000 a second
/// (64-byte values, 2 cores for both sides). That is the price of the contract.
/// A deleted key leaves no trace: a write that timed out, was given up, and is
/// executed by the server after a later deletion comes back until it expires.
///
/// Other nodes. With a `redis_announcer`, whatever is changed is announced in
/// the same step (tiers/invalidation_event.hpp): the event goes into a log, a
/// stream, and to a channel. What is written only where nothing is brings
/// nothing new and is not announced.
///
/// Dictionaries (tiers/dictionary_set.hpp). Before a record is written with one
/// it is put into Redis, under a name without a tenant and with a longer life
/// than any record's. While records are written, it is looked up every few
/// seconds, and written again if somebody has flushed the database. A record
/// whose dictionary is not known here is read after that was fetched, once per
/// batch and connection.
///
/// Failures. Any time limit that passes and any reply that is not understood
/// closes the connection, because later replies would be out of step. A batch
/// that finds its connection closed by the other side is sent once more over a
/// new one; all operations are idempotent, except that a deletion executed
/// before the connection broke reports "not there" the second time. Nothing is
/// retried after a timeout. Of several servers, one that fails takes its keys
/// with it and no others.
///
/// Walks (list, count, purge) go from server to server and fail where one does
/// not answer; a purge goes on with the others and reports it at the end.
/// Limit: a key whose slot moves during a walk, to a server that was visited
/// already, is not seen.
///
/// Time limits hold per step (connect, send, one read); a server that sends on
/// is not interrupted. Resolving a host name is not bounded by them.
///
/// Sources: redis.io, "Redis serialization protocol" (RESP2), commands EVALSHA,
/// SET, MGET, SCAN; hiredis 0.14.
#pragma once

#include "config/options.hpp"
#include "tiers/codec.hpp"
#include "tiers/invalidation_event.hpp"
#include "tiers/redis_announcer.hpp"
#include "tiers/redis_figures.hpp"
#include "tiers/redis_keys.hpp"
#include "tiers/redis_protocol.hpp"
#include "tiers/redis_router.hpp"
#include "tiers/redis_topology.hpp"
#include "tiers/store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace terrace {

/// One thread at a time.
class redis_store final : public store {
public:
  // -- types ------------------------------------------------------------------

  /// What became of one entry of a batch.
  enum class put_outcome : std::uint8_t { stored, refused, failed };

  /// What became of one removal of a batch; `existed`: a live record was there.
  enum class remove_outcome : std::uint8_t { existed, absent, failed };

  /// What became of a guarded change; `lost`: it found something else.
  enum class swap_outcome : std::uint8_t { made, lost, failed };

  /// A step of a purge. Pass `next` back until `done`.
  struct purge_page {
    std::uint64_t removed = 0;
    std::string next;
    bool done = true;
    failure why; ///< why one server of several was left out, if it was
  };

  // -- constructors -----------------------------------------------------------

  /// Does not connect yet: the first operation does. `client_name` is what
  /// CLIENT LIST shows. `announcer`: null if there are no other nodes.
  redis_store(const redis_options& opts,
              std::shared_ptr<redis_topology> topology,
              std::shared_ptr<codec> coder,
              std::shared_ptr<redis_figures> figures, std::string client_name,
              std::shared_ptr<redis_announcer> announcer = nullptr);

  ~redis_store() override;

  // -- store ------------------------------------------------------------------

  tier_kind kind() const noexcept override {
    return tier_kind::redis;
  }

  /// A record that does not decode is an error of its key alone.
  lookups fetch(std::span<const std::string> keys,
                std::int64_t now_ms) override;

  /// An entry that is refused as expired or too large also deletes the older
  /// record that it was to replace, unless `if_absent`.
  store_report put(std::span<const entry> xs, bool if_absent,
                   std::int64_t now_ms) override;

  remove_report remove(std::span<const removal> xs,
                       std::int64_t now_ms) override;

  /// Takes time proportional to the keys in the whole database of the server,
  /// not to what is selected, except for a single key. By tag, the
  /// first kilobyte of every record of the tenant is read as well.
  expected<std::uint64_t> purge(const selector& what, version_t up_to,
                                std::int64_t now_ms) override;

  /// The budget is a hint to the server. Also O(size of the database) in all.
  expected<key_page> list(tenant_id tenant, const std::string& glob,
                          const std::string& cursor, std::size_t budget,
                          std::int64_t now_ms) override;

  /// Walks the whole database: Redis counts no tenants. A key may be counted
  /// twice while the server resizes its table.
  expected<std::uint64_t> count(tenant_id tenant) override;

  /// Nothing to do: Redis expires and evicts by itself.
  std::size_t sweep(std::int64_t now_ms, std::size_t budget) override;

  /// Figures of the server, shared with its other users, as `extra`; nothing
  /// when it cannot be reached. Of several, the sums over those that can.
  void describe(tier_status& out) override;

  // -- more than a store ------------------------------------------------------

  /// Like `put`, for entries in several places, with one outcome per entry.
  std::vector<put_outcome> put_each(std::span<const entry* const> xs,
                                    bool if_absent, std::int64_t now_ms);

  /// Like `remove`, with one outcome per key.
  std::vector<remove_outcome> remove_each(std::span<const removal> xs,
                                          std::int64_t now_ms);

  /// Makes changes of which each holds only if nobody else has changed the key.
  /// One that failed may have been made.
  std::vector<swap_outcome> swap_each(std::span<const guarded_change> xs,
                                      std::int64_t now_ms);

  /// One bounded step of a purge: about `budget` keys are looked at. Begin with
  /// an empty cursor. The last step announces it.
  expected<purge_page> purge_step(const selector& what, version_t up_to,
                                  const std::string& cursor, std::size_t budget,
                                  std::int64_t now_ms);

  /// True if `x` can be passed to `list`: empty, or a cursor of SCAN, with the
  /// name of its server behind "@" if there are several.
  static bool is_cursor(const std::string& x) noexcept;

  /// Publishes a sign of life of this node, with the number of its latest
  /// event. Without an announcer, nothing.
  expected<void> publish(node_beat x);

  /// Takes or prolongs the lease of a key for `owner`. Zero: it has it.
  /// Otherwise the milliseconds that another one's lease lasts. The owner's
  /// name must be unique; a lease that has ended is free for anyone.
  expected<std::uint64_t> lease(std::string_view key, std::string_view owner,
                                milliseconds limit);

  /// Ends the lease if `owner` has it.
  expected<void> release(std::string_view key, std::string_view owner);

  /// Asks for a sign of life, even of a server that is down. Of several servers
  /// one is enough.
  expected<void> ping();

  /// Asks every server for a sign of life that is not known to be down. Fails
  /// unless all answer.
  expected<void> ping_all();

  /// True if there are several servers and some are not down: then a failure is
  /// none of the whole.
  bool partly_up() const {
    return router_.some_up();
  }

  /// Why the latest operation failed, wholly or in part; no error if it did
  /// not.
  const failure& last_failure() const noexcept {
    return last_failure_;
  }

private:
  struct change;

  // -- looking up -------------------------------------------------------------

  /// Looks up the keys of one pipeline; leaves `out` alone on failure.
  void fetch_part(std::span<const std::string> keys, std::int64_t now_ms,
                  std::span<lookup> out);

  lookup read_record(std::string_view key, std::string_view bytes,
                     std::int64_t now_ms) const;

  // -- dictionaries (redis_dictionary.cpp) ------------------------------------

  /// A record that cannot be read before its dictionary is here.
  struct unread_record {
    std::size_t index = 0; ///< of its key in the batch
    std::uint32_t dictionary = 0;
    std::string bytes;
  };

  /// Sees to it now and then that the dictionaries which records are written
  /// with are in Redis. False if the only server has failed.
  bool keep_dictionaries(std::int64_t now_ms);

  /// Sends `keep_script` for each; `put`: with what to put where nothing is.
  bool send_dictionaries(const std::vector<dictionary_ptr>& xs, bool put);

  /// Fetches dictionaries, and reads the records that wait for them.
  void read_unread(std::span<const std::string> keys, std::int64_t now_ms,
                   std::span<lookup> out);

  bool fetch_dictionaries(std::int64_t now_ms);

  // -- changing ---------------------------------------------------------------

  /// Deletes what is a record and not newer; returns how many were live.
  expected<std::uint64_t> remove_records(const keys& xs, version_t up_to,
                                         std::int64_t now_ms);

  /// Runs changes through the script. One character per change, those of
  /// tiers/redis_script.hpp or f for failed. The order of `xs` is lost.
  std::string run(std::span<change> xs, bool if_absent, std::int64_t now_ms);

  /// Runs as many changes as a pipeline takes, and adds what became of them to
  /// `out`. Adds less if the only server failed.
  void run_part(std::span<const change> xs, bool if_absent, std::int64_t now_ms,
                std::string& out);

  /// Learns the name of the script.
  bool load_script();

  /// Fills the pipelines and returns the number of changes of each command.
  std::vector<std::size_t> encode(std::span<const change> xs, bool if_absent,
                                  std::int64_t now_ms);

  void append_change(const change& x, std::int64_t now_ms, std::string& out);

  // -- announcing (redis_announce.cpp) ----------------------------------------

  /// Runs the script to announce `x`.
  expected<void> announce(invalidation_event x);

  /// Runs the script to keep copies of what a purge removes from coming back.
  expected<void> raise_fence(version_t up_to);

  /// Appends the script without a change to a pipeline.
  void append_bare(redis_pipeline& to, const std::string& event,
                   const std::string& purge);

  /// Appends those arguments of the script that come before the changes.
  void append_settings(std::string_view condition, std::int64_t now_ms,
                       const std::string& event, const std::string& purge,
                       std::string& out);

  /// The event that announces `xs` as they are made, or nothing.
  std::string event_of(std::span<const change> xs, bool if_absent);

  /// Announces what was made of `xs` where the log may be at another server. If
  /// that fails, it is kept.
  void announce_apart(std::span<const change> xs, bool if_absent,
                      const std::string& outcomes);

  void keep_for_event(removal x);

  /// Announces what was kept.
  expected<void> announce_kept();

  bool announces(std::span<const change> xs, bool if_absent) const noexcept;

  /// Gives the event its node and its number.
  std::string sign(invalidation_event x);

  // -- walking ----------------------------------------------------------------

  /// Where a cursor stands.
  struct walk_position {
    std::size_t server = 0;
    std::string cursor; ///< the server's own
  };

  /// Begins a batch. Fails if the cursor's server is gone.
  expected<walk_position> find_position(const std::string& cursor);

  /// Goes on to the next server; an empty `next` means that there is none.
  std::string next_server(const walk_position& x) const;

  /// One step of SCAN. Names that are not ours are left out.
  expected<key_page> scan(const selector& what, const std::string& cursor,
                          std::size_t budget);

  expected<purge_page> purge_found(const selector& what, version_t up_to,
                                   const std::string& cursor,
                                   std::size_t budget, std::int64_t now_ms);

  /// The first bytes of every record; empty where there is no string.
  expected<std::vector<std::string>> read_heads(const keys& xs,
                                                std::string_view last_byte);

  /// Takes keys out that `what` does not mean.
  expected<void> keep_selected(const selector& what, version_t up_to,
                               std::int64_t now_ms, keys& xs);

  // -- exchanging -------------------------------------------------------------

  /// Sends the batch and reads the replies; notes a failure. False if replies
  /// are missing.
  bool exchange(bool urgent = false);

  /// True unless the only server has failed.
  bool goes_on() const noexcept {
    return !last_failure_ || !router_.undivided();
  }

  /// A command for every server; the same as `add`.
  void to_all(std::initializer_list<std::string_view> command);

  /// Reply `i` if it is of the right kind and length; otherwise notes a failure
  /// and returns null.
  const redis_reply* answer(std::size_t i, redis_reply::kind wanted,
                            std::string_view command,
                            std::optional<std::size_t> size = std::nullopt);

  /// Notes and counts a failure.
  failure fail(failure why);

  failure fail_out_of_memory();

  /// A key and where it is.
  struct routed_key {
    std::uint32_t index = 0;
    std::uint32_t place = 0;
  };

  redis_options opts_;
  std::shared_ptr<codec> codec_;
  std::shared_ptr<redis_figures> figures_;
  redis_keys names_;
  redis_router router_;
  std::vector<redis_reply> replies_; /// One per command sent.
  std::vector<routed_key> order_;    /// Reused by `fetch_part`.
  std::shared_ptr<redis_announcer> announcer_;
  removals kept_;            ///< Changed, but not announced.
  bool kept_all_ = false;    ///< More was.
  version_t kept_up_to_ = 0; ///< The latest change kept.
  std::string log_name_;     /// The stream.
  std::string fences_name_;  /// What hashes of fences are called, or nothing.
  std::string script_;       /// Name of the script in the servers, if loaded.
  std::vector<unread_record> unread_; /// Of this batch.
  /// Dictionaries that are not in Redis, and until when nobody looks again.
  std::unordered_map<std::uint32_t, std::int64_t> absent_;
  std::int64_t dictionaries_kept_ms_ = 0; /// When they were looked up last.
  std::string record_bytes_;              /// Reused by `append_change`.
  failure last_failure_;
};

} // namespace terrace
