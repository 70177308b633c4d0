/// The text of INFO.
#pragma once

#include "config/options.hpp"
#include "messages/key.hpp"
#include "messages/status.hpp"

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace terrace::resp {

/// What is known when INFO is answered. Figures that Terrace does not keep are
/// left out or told as zero, as an idle Redis would.
struct info_facts {
  explicit info_facts(const options& x) : opts(x) {
    // nop
  }

  const options& opts;
  std::int64_t now_ms = 0;
  std::size_t connected_clients = 0;
  std::uint16_t port = 0;
  node_report report;
  std::string report_problem; ///< why there is no report; empty: there is one
  std::map<tenant_id, std::uint64_t> keys; ///< per tenant that has any
};

/// Sections and fields have Redis' names, so that monitoring that knows Redis
/// finds them; "Tiers" is Terrace's own: a line per tier. `sections` are in
/// lower case; empty, "default", "all" and "everything" mean all.
std::string render_info(const info_facts& x,
                        const std::set<std::string>& sections);

} // namespace terrace::resp
