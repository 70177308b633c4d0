/// What a contestant of `terrace-bench disk` does in its turn.
#pragma once

#include "tools/bench/disk_peer.hpp"
#include "tools/bench/samples.hpp"

#include <span>
#include <string>
#include <vector>

namespace terrace::bench {

/// Random keys for one thread, which walks through them in a circle.
struct drawn_keys {
  static constexpr std::size_t count = 1 << 19;

  std::vector<std::uint32_t> numbers;
  std::vector<std::string> keys;

  static drawn_keys draw(const disk_values& values, std::uint64_t seed);

  disk_request at(std::size_t i, std::size_t n) const {
    return {std::span{keys}.subspan(i, n), std::span{numbers}.subspan(i, n)};
  }
};

struct disk_turn {
  double rate = 0; ///< keys per second, of all threads together
  samples latency; ///< of every eighth call
  std::uint64_t wrong = 0;
};

/// Reads for `seconds`, with a thread for each of `drawn`, from its key number
/// `at` on.
disk_turn read_turn(disk_peer& from, std::span<const drawn_keys> drawn,
                    std::size_t batch, std::size_t at, double seconds);

/// Entries for some keys, with versions from `version` + 1 on, which is raised.
entries make_group(const disk_values& values,
                   std::span<const std::uint32_t> numbers, version_t& version);

/// Writes these keys in groups of `group` until all is settled; returns keys
/// per second. Making the entries is not counted. `latency` gets one sample a
/// group and one for settling.
expected<double> write_turn(disk_peer& to, const disk_values& values,
                            std::span<const std::uint32_t> numbers,
                            std::size_t group, version_t& version,
                            samples& latency);

} // namespace terrace::bench
