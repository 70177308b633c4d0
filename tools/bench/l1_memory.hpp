/// `terrace-bench l1 --memory`: what an entry costs in memory.
#pragma once

#include "tools/bench/l1.hpp"

namespace terrace::bench {

/// Fills the engine alone and compares what it accounts for with what the
/// process has grown by. Returns the exit code.
int l1_memory(const l1_options& opts);

} // namespace terrace::bench
