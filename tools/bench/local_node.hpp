/// A node in this process, for measurements.
#pragma once

#include "actors/system.hpp"
#include "config/options.hpp"
#include "messages/expected.hpp"
#include "tools/bench/temp_folder.hpp"
#include "tools/common/node_stats.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace terrace::bench {

struct local_node {
  std::optional<temp_folder> folder; ///< gone after the node has ended
  options config;
  std::unique_ptr<node> running;

  /// The tiers in use, "memory > disk".
  std::string tiers() const;

  expected<node_stats> stats() const;

  /// Messages that coordinators got on behalf of clients since the start.
  expected<std::uint64_t> messages() const;
};

/// Options from `config_file` (may be empty), the environment and `settings`,
/// each "table.key=value". Fails with `invalid_argument` and all lines about a
/// bad configuration.
expected<options> read_options(const std::string& config_file,
                               const std::vector<std::string>& settings);

/// Starts a node without ports, which logs warnings only, with options as
/// above. Unless they name node.data_dir, data lives in a temporary folder.
/// Fails as `read_options` and `node::start` do.
expected<local_node> start_local_node(const std::string& config_file,
                                      const std::vector<std::string>& settings);

} // namespace terrace::bench
