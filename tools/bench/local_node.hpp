/// A node in this process, for measurements.
#pragma once

#include "actors/system.hpp"
#include "config/options.hpp"
#include "messages/expected.hpp"
#include "tools/common/node_stats.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace terrace::bench {

/// Removes its folder, if it has one, after the node has ended.
class temporary_folder {
public:
  temporary_folder() = default;

  explicit temporary_folder(std::filesystem::path x) : path_(std::move(x)) {
    // nop
  }

  temporary_folder(temporary_folder&& x) noexcept
    : path_(std::exchange(x.path_, {})) {
    // nop
  }

  temporary_folder& operator=(temporary_folder&&) = delete;

  ~temporary_folder();

private:
  std::filesystem::path path_;
};

struct local_node {
  temporary_folder folder;
  options config;
  std::unique_ptr<node> running;

  /// The tiers in use, "memory > disk".
  std::string tiers() const;

  expected<node_stats> stats() const;

  /// Messages that coordinators got on behalf of clients since the start.
  expected<std::uint64_t> messages() const;
};

/// Starts a node without ports, which logs warnings only. Options come from
/// `config_file` (may be empty), the environment and `settings`, each
/// "table.key=value". Unless one of them names node.data_dir, data lives in a
/// temporary folder. Fails with `invalid_argument` and all lines about a bad
/// configuration, or as `node::start`.
expected<local_node> start_local_node(const std::string& config_file,
                                      const std::vector<std::string>& settings);

} // namespace terrace::bench
