/// The log of events in Redis and the channel beside it, as a node reads them.
///
/// One connection subscribes, another reads the stream, both at the server that
/// has the stream. Announcing is done by `redis_store`.
///
/// With `track`, the subscriber also has Redis report which entries anybody
/// changes, deletes, or lets expire. That says nothing of versions, so who
/// hears it looks what is there.
///
/// Sources: redis.io, commands SUBSCRIBE, XRANGE, XINFO STREAM, XADD, CLIENT
/// TRACKING, "Client-side caching in Redis".
#pragma once

#include "config/options.hpp"
#include "tiers/redis_connection.hpp"
#include "tiers/redis_keys.hpp"
#include "tiers/redis_router.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace terrace {

/// A place in the log: the id of an entry of the stream. Larger is later.
struct log_place {
  std::uint64_t ms = 0;
  std::uint64_t n = 0;

  friend auto operator<=>(const log_place&, const log_place&) = default;
};

std::string to_string(const log_place& x);

/// Reads `ms-n`; nothing if that is not it.
std::optional<log_place> parse_log_place(std::string_view x);

/// One thread at a time. An error ends the subscription; the next call begins
/// anew, wherever the log is by then.
class redis_log {
public:
  /// Events after a place.
  struct page {
    std::vector<std::string> events; ///< JSON
    log_place last;                  ///< of the last of them
    bool done = true;                ///< there are no more
  };

  /// What the connection brought.
  struct message {
    std::string text;        ///< as published; empty: Redis reports changes
    keys changed;            ///< of ours
    bool everything = false; ///< all may have changed
  };

  redis_log(const redis_options& opts, std::shared_ptr<redis_topology> topology,
            std::string channel, bool track,
            std::shared_ptr<redis_figures> figures);

  /// Subscribes if that is not done. True if it had to be: what was published
  /// before is not received.
  expected<bool> subscribe();

  /// The next message, or nothing within `limit`. Needs a subscription.
  expected<std::optional<message>> receive(milliseconds limit);

  /// Of each key the version of the live record in Redis; zero: there is none.
  expected<std::vector<version_t>> versions_of(const keys& xs,
                                               std::int64_t now_ms);

  /// Appends `event` and returns its place: the log exists then.
  expected<log_place> append(const std::string& event);

  enum class reach {
    whole,   ///< everything appended after the place is there
    trimmed, ///< a part of it was taken out, or that is not known
    fresh,   ///< the log began anew since
  };

  /// How far the log reaches back.
  expected<reach> reach_of(const log_place& place);

  expected<page> read_after(const log_place& place);

private:
  /// Has Redis report changes of entries to the subscriber.
  expected<void> track();

  /// One exchange on the subscriber's connection before it subscribes.
  expected<redis_reply> tell(const redis_pipeline& x);

  /// Sends one command by the second connection; null on failure.
  const redis_reply* ask(std::initializer_list<std::string_view> command,
                         redis_reply::kind wanted);

  failure fail(failure why);

  std::string channel_;
  bool track_;
  redis_keys names_;
  std::string log_name_;
  std::shared_ptr<redis_figures> figures_;
  redis_options opts_;
  redis_router router_;                            ///< reads the stream
  std::unique_ptr<redis_connection> channel_link_; ///< null: not subscribed
  std::vector<redis_reply> replies_;
  failure why_;
};

} // namespace terrace
