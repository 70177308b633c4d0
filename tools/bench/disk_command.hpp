/// The commands of terrace-bench about the disk tier.
#pragma once

#include "tools/bench/disk.hpp"
#include "tools/bench/disk_churn.hpp"
#include "tools/bench/disk_open.hpp"
#include "tools/bench/disk_policy.hpp"

#include <CLI/CLI.hpp>

#include <optional>

namespace terrace::bench {

class disk_commands {
public:
  /// Declares them.
  explicit disk_commands(CLI::App& app);

  disk_commands(const disk_commands&) = delete;

  /// Runs the one that was given. Returns its exit code, or nothing if none of
  /// them was.
  std::optional<int> run();

private:
  disk_bench_options disk_;
  disk_open_options open_;
  disk_churn_options churn_;
  disk_policy_options policy_;
  CLI::App* disk_command_;
  CLI::App* open_command_;
  CLI::App* churn_command_;
  CLI::App* policy_command_;
};

} // namespace terrace::bench
