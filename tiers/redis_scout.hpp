/// Asks servers who serves what: a node of a cluster for its slots, a sentinel
/// for the master. Every question goes over a connection of its own, because
/// they are rare. Sources: redis.io, CLUSTER SLOTS, ROLE, "Guidelines for Redis
/// clients with support for Redis Sentinel".
#pragma once

#include "config/options.hpp"
#include "config/redis_url.hpp"
#include "messages/expected.hpp"
#include "tiers/redis_figures.hpp"
#include "tiers/redis_protocol.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace terrace {

/// Slots `first` to `last` of a cluster and the master that serves them.
struct redis_slot_range {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  std::string host;
  std::uint16_t port = 0;

  friend bool operator==(const redis_slot_range&, const redis_slot_range&)
    = default;
};

/// Understands a reply to CLUSTER SLOTS. A node that does not know its own
/// address leaves it empty: then it is `asked`, where it was reached. Fails
/// with `protocol_violation`.
expected<std::vector<redis_slot_range>>
read_slot_ranges(const redis_reply& x, const std::string& asked);

/// One thread at a time.
class redis_scout {
public:
  redis_scout(const redis_options& opts, std::shared_ptr<redis_figures> figures)
    : opts_(opts), figures_(std::move(figures)) {
    // nop
  }

  /// What `node` knows of its cluster. No slots: it has not joined one.
  expected<std::vector<redis_slot_range>> slots(const redis_address& node);

  /// The address of the master, with the login and database of `sentinel`,
  /// which the sentinel itself is not shown. Fails with `unavailable` if the
  /// sentinel knows none, or if the server there is not a master (any more).
  expected<redis_address> master(const redis_address& sentinel);

private:
  redis_options opts_;
  std::shared_ptr<redis_figures> figures_;
};

} // namespace terrace
