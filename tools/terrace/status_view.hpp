/// A node's figures as a page of text.
#pragma once

#include "tools/common/node_stats.hpp"

#include <string>

namespace terrace {

/// Node, requests, and a table of the tiers.
std::string status_page(const node_stats& x);

/// The same, with rates per second since `before`, `seconds` ago. Counters that
/// went back, by a reset or a restart, have rate 0.
std::string watch_page(const node_stats& x, const node_stats& before,
                       double seconds);

/// Status and the state of each tier, in a few lines.
std::string health_page(const node_stats& x);

} // namespace terrace
