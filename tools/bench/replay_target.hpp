/// What a replay sends its requests to: a node over RESP, or a node in this
/// process.
#pragma once

#include "messages/expected.hpp"
#include "tools/bench/origin.hpp"
#include "tools/bench/resp_client.hpp"
#include "tools/common/node_stats.hpp"

#include <memory>
#include <string>
#include <vector>

namespace terrace::bench {

/// How one request ended.
struct step {
  bool loaded = false; ///< the origin was asked
  bool failed = false; ///< the cache reported an error on the way
  bool wrong = false;  ///< the value was not that of the key
};

/// One thread's connection to the target.
class replay_session {
public:
  virtual ~replay_session() = default;

  /// Gets `key`; on a miss fetches the value, of `size` bytes, and stores it.
  /// Fails only if going on makes no sense.
  virtual expected<step>
  request(const std::string& key, std::size_t size, origin& source) = 0;
};

class replay_target {
public:
  virtual ~replay_target() = default;

  /// For people: "in process, memory > disk".
  virtual std::string describe() const = 0;

  /// A session for one more thread.
  virtual expected<std::unique_ptr<replay_session>> open() = 0;

  /// Number of keys held already.
  virtual expected<std::uint64_t> size() = 0;

  virtual expected<void> clear() = 0;

  virtual expected<node_stats> stats() = 0;
};

using replay_target_ptr = std::unique_ptr<replay_target>;

/// A node over RESP, with its HTTP port for figures.
replay_target_ptr remote_target(const endpoint& node,
                                const std::string& http_url,
                                std::uint32_t tenant, std::int64_t ttl_ms);

/// A node in this process without ports, configured by `config_file` (may be
/// empty), the environment and `settings`, each "table.key=value". Its data
/// lives in a temporary folder unless the configuration says where. Fails with
/// `invalid_argument` and all lines about a bad configuration, or as
/// `node::start`.
expected<replay_target_ptr>
local_target(const std::string& config_file,
             const std::vector<std::string>& settings, std::uint32_t tenant,
             std::int64_t ttl_ms);

} // namespace terrace::bench
