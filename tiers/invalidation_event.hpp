/// What nodes that share a Redis tell each other, as JSON.
///
/// An event says that keys were changed, or what was invalidated:
///
///     {"node":"9f..","seq":17,"reason":"write","id":"1700000000000-0",
///      "keys":[{"key":"user:7","tenant":0,"version":111}]}
///     {"node":"9f..","seq":18,"reason":"purge","kind":"tag","text":"users",
///      "tenant":0,"version":112}
///
/// `version` says which records are meant: those up to it. `key` and `text` are
/// `key_hex` and `text_hex` where they are not UTF-8. `id` is the place in the
/// log, and only in what comes through the channel. An event without `node`,
/// `seq` and `version` comes from another program, which wants a `key` or a
/// selector forgotten. A beat says that a node is there and how far it is:
///
///     {"node":"9f..","beat":3,"seq":18,"lag_ms":0,"seen":{"a0..":41}}
#pragma once

#include "messages/expected.hpp"
#include "messages/record.hpp"
#include "messages/selector.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>

namespace terrace {

struct invalidation_event {
  std::string node;      ///< who published it; empty: another program
  std::uint64_t seq = 0; ///< number of the event, of its node's
  std::string reason;    ///< for people
  removals keys;         ///< what was changed, if that is single keys
  selector what;         ///< what was invalidated, if there are no keys
  version_t up_to = 0;   ///< of the selector; 0: another program does not know

  friend bool operator==(const invalidation_event&, const invalidation_event&)
    = default;
};

struct node_beat {
  std::string node;
  std::uint64_t beat = 0; ///< number of the beat, of its node's
  std::uint64_t seq = 0;  ///< of the latest event before it
  /// Changes older than this, in milliseconds, are in the log.
  std::uint64_t lag_ms = 0;
  /// The latest beat of each other node that this node had received.
  std::map<std::string, std::uint64_t> seen;
  bool leaving = false; ///< the node ends, and everything is in the log

  friend bool operator==(const node_beat&, const node_beat&) = default;
};

using backplane_message = std::variant<invalidation_event, node_beat>;

std::string to_json(const invalidation_event& x);

std::string to_json(const node_beat& x);

/// Strict in what it understands, and ignores other members. Errors:
/// `invalid_argument` with a sentence.
expected<backplane_message> parse_backplane_message(std::string_view text);

} // namespace terrace
