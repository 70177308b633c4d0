/// What the RESP face needs of the rest of a node.
#pragma once

#include "actors/clock.hpp"
#include "config/live_options.hpp"
#include "messages/interfaces.hpp"
#include "tiers/memory_view.hpp"

#include <memory>
#include <vector>

namespace terrace {

struct resp_services {
  memory_view_ptr view;                        ///< read side of L1
  std::vector<coordinator_actor> coordinators; ///< one per shard of the view
  invalidator_actor invalidator;
  keyspace_actor keyspace;
  metrics_actor metrics;
  configurator_actor configurator;
  now_fn now; ///< Unix milliseconds
  live_options_ptr config;
};

} // namespace terrace
