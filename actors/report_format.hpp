/// A node's report as JSON, for operators and their scripts. Pure functions.
///
/// Times of day are Unix milliseconds, latencies milliseconds, rates fractions
/// from 0 to 1; a rate of nothing is null. Text that is not UTF-8 is repaired
/// with U+FFFD. Member names are stable: `terrace` and the dashboards of others
/// read them.
#pragma once

#include "messages/status.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace terrace {

/// What the report does not know of its node.
struct report_context {
  std::string version;
  /// When counting began: the start of the node or the last reset.
  std::int64_t counting_since_ms = 0;
};

/// How a node does, seen from outside.
enum class node_health : std::uint8_t {
  ok,       ///< every tier of the chain and every actor answers
  degraded, ///< something does not, the rest serves
  down,     ///< no tier can serve
};

std::string_view to_string(node_health x) noexcept;

/// Judges by the states of the tiers and by who was silent. A tier in another
/// state than "up" or "degraded" does not serve.
node_health health_of(const node_report& x);

/// Share of look-ups that were hits; nothing without look-ups.
std::optional<double> hit_rate(std::uint64_t hits, std::uint64_t lookups);

/// Bytes before compression divided by bytes after, of what a tier compressed
/// since start; nothing if it compressed nothing.
std::optional<double> compression_ratio(const tier_status& x);

/// Everything: requests, tiers (row E1), actors.
std::string stats_json(const node_report& x, const report_context& ctx);

/// Latencies, rates per second since counting began, and hit rates alone.
std::string performance_json(const node_report& x, const report_context& ctx);

/// Status, uptime, and state and reason per tier.
std::string health_json(const node_report& x, const report_context& ctx);

/// What an invalidation did: removed entries per tier, tiers still to do.
std::string invalidation_json(const invalidation_report& x);

/// `{"error":{"code":...,"message":...}}`
std::string error_json(std::string_view code, std::string_view message);

} // namespace terrace
