/// An actor system as a node has it, for benchmarks of one tier.
#pragma once

#include "messages/interfaces.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <thread>

namespace terrace::bench {

/// As in actors/system.cpp.
struct caf_config : caf::actor_system_config {
  caf_config() {
    add_terrace_types(*this);
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads",
        std::size_t{std::max(2u, std::thread::hardware_concurrency())});
    set("scheduler.max-throughput", std::size_t{64});
  }
};

} // namespace terrace::bench
