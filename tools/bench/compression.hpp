/// `terrace-bench compression`: what dictionaries save, and what the codec
/// costs beside zstd itself.
#pragma once

#include "config/options.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace CLI {

class App;

} // namespace CLI

namespace terrace::bench {

struct compression_bench_options {
  std::vector<std::uint64_t> sizes{200, 1024, 4096}; ///< of values, in bytes
  std::uint64_t records = 1000; ///< measured, per shape and size
  double seconds = 0.3;         ///< length of a turn in a round
  std::uint32_t rounds = 3;     ///< the median counts
  compression_options codec;
  bool json = false;
};

/// For each size, a codec of its own is given records of all shapes (see
/// json_records.hpp) until each family of keys has a dictionary; then it writes
/// and reads others. Beside it stand zstd alone and zstd with the same
/// dictionaries, called directly, at the same level. Prints the share of the
/// bytes of values that is saved, and bytes of values per second on one thread.
/// The codec's work includes checksum, metadata and a copy of the value; the
/// header of a record is not counted as part of a value.
///
/// Says as well what zstd at its best (level 19, over all records at once)
/// makes of them: how much the records have in common, that is.
///
/// Returns the exit code: 1 if a value did not come back, or if less than 60 %
/// was saved at 1 KiB.
int compression(const compression_bench_options& opts);

/// Adds the command with its options.
CLI::App* declare(CLI::App& app, compression_bench_options& x);

} // namespace terrace::bench
