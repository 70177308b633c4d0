/// Readers of the Redis tier, for `terrace-bench redis`.
#pragma once

#include "actors/tier_handle.hpp"
#include "messages/expected.hpp"
#include "tools/bench/redis_values.hpp"

#include <chrono>

namespace terrace::bench {

/// Writes all values through the tier. Fails with what the tier says.
expected<void> fill_tier(caf::actor_system& sys, const tier_handle& tier,
                         const redis_values& values);

/// Lets `count` readers look up random keys for `length`, each one key at a
/// time; returns answers per second. One actor stands for all readers. Fails
/// with the code of the first look-up that failed, or with `corrupt` if a value
/// is not that of its key.
expected<double> run_readers(caf::actor_system& sys, const tier_handle& tier,
                             const redis_values& values, std::size_t count,
                             std::chrono::duration<double> length);

} // namespace terrace::bench
