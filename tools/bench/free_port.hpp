/// Ports for servers of a benchmark's own.
#pragma once

#include <cstdint>

namespace terrace::bench {

/// A TCP port of the loopback interface that nobody listens on at the moment;
/// zero if there is none. Somebody else may take it before it is used.
std::uint16_t free_port();

} // namespace terrace::bench
