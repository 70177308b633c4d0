/// The few socket functions that the RESP face needs beyond CAF's.
#pragma once

#include "messages/expected.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace terrace::resp {

/// Opens `count` listening sockets on one address, so that the kernel spreads
/// connections over them. Port 0 takes a free one. A port that another process
/// listens on is an error, `in_use`, also if that process would share it. Other
/// failures: `invalid_argument` for an address that cannot be resolved,
/// `io_failure`; all with the system's text. The caller closes the descriptors.
expected<std::vector<int>> listen_on(const std::string& bind,
                                     std::uint16_t port, std::size_t count);

std::uint16_t local_port(int fd);

/// "host:port" of the two ends of a connection; empty if the system does not
/// tell.
std::string local_address(int fd);
std::string peer_address(int fd);

/// Sends small replies at once and notices peers that have vanished.
void tune_connection(int fd);

/// Tries to allow this process `wanted` descriptors and returns how many it may
/// have now.
std::uint64_t raise_descriptor_limit(std::uint64_t wanted);

} // namespace terrace::resp
