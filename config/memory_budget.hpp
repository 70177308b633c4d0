/// One figure for all memory of a node.
#pragma once

#include "config/options.hpp"

namespace terrace {

/// `x` with the bounds of its parts as `node.max_memory` has them; `x` itself
/// if that is 0. Of the whole, a sixteenth, but at least 24 MiB, is for
/// connections, requests and the program. What Redis missed may take an eighth
/// at most. Writes on their way to disk get a quarter, at most 512 MiB. L1 gets
/// the rest, less what its pages take beyond its bound while sizes of entries
/// change (0.15 of it).
options with_budget(options x);

} // namespace terrace
