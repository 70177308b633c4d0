/// Options that several commands of terrace-bench share, and those of `l1` and
/// `churn`.
#pragma once

#include "tools/bench/churn.hpp"
#include "tools/bench/l1.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace terrace::bench {

/// Reads "5ms", "250us", "0". Throws `CLI::ValidationError` on anything else.
std::chrono::nanoseconds read_latency(const std::string& text);

/// Reads "100", "4KiB". Throws `CLI::ValidationError` on anything else.
std::uint64_t read_size(const std::string& text);

/// --config and --set
void add_node_settings(CLI::App& app, std::string& config_file,
                       std::vector<std::string>& settings);

/// --value-size
void add_size(CLI::App& app, std::size_t& out);

CLI::App* declare(CLI::App& app, l1_options& x);

CLI::App* declare(CLI::App& app, churn_options& x);

} // namespace terrace::bench
