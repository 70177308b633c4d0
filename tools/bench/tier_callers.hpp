/// Callers of a tier's actor, for benchmarks.
#pragma once

#include "actors/tier_handle.hpp"
#include "messages/expected.hpp"
#include "tools/bench/samples.hpp"
#include "tools/bench/value_source.hpp"

#include <chrono>
#include <span>

namespace terrace::bench {

/// Writes all values through the tier, as version 1. Fails with what the tier
/// says.
expected<void> fill_tier(caf::actor_system& sys, const tier_handle& tier,
                         const value_source& values);

/// Who calls at once. One actor stands for all of them.
struct tier_callers {
  std::size_t count = 1;
  std::size_t batch = 1;        ///< keys in one message
  samples* latencies = nullptr; ///< of messages, if they are wanted
};

/// Lets the callers look up random keys for `length`, each one message at a
/// time; returns keys per second. Fails with the code of the first look-up that
/// failed, or with `corrupt` if a value is not that of its key.
expected<double> run_readers(caf::actor_system& sys, const tier_handle& tier,
                             const value_source& values,
                             const tier_callers& who,
                             std::chrono::duration<double> length);

/// Lets the callers write the values of `numbers`, each once, as versions from
/// `version` on. Returns when all are acknowledged. Fails with what the tier
/// says, or with `io_failure` if it refuses one.
expected<void> run_writers(caf::actor_system& sys, const tier_handle& tier,
                           const value_source& values, const tier_callers& who,
                           std::span<const std::uint32_t> numbers,
                           version_t version);

} // namespace terrace::bench
