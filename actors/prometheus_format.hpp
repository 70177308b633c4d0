/// A node's report in Prometheus' text format, version 0.0.4. Source:
/// prometheus.io/docs/instrumenting/exposition_formats.
#pragma once

#include "messages/status.hpp"

#include <string>
#include <string_view>

namespace terrace {

/// Media type of what `prometheus_text` returns.
inline constexpr const char* prometheus_content_type
  = "text/plain; version=0.0.4; charset=utf-8";

/// All figures of the node; sizes in bytes, durations in seconds. A reset of
/// the node's counters looks like a restart, which Prometheus expects.
///
/// Durations come as histograms from 100 ns to 3.3 s, from 0.1 ms on in steps
/// that double. A duration within 25 % below a bound may be counted above it,
/// because the node counts in finer buckets of its own.
std::string prometheus_text(const node_report& x, std::string_view version);

/// `x` between the quotes of a label: backslash, quote and line feed escaped.
std::string escape_label(std::string_view x);

} // namespace terrace
