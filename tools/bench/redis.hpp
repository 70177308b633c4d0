/// `terrace-bench redis`: the Redis tier beside hiredis by hand.
#pragma once

#include <cstddef>

namespace terrace::bench {

struct redis_bench_options {
  std::size_t keys = 100'000;
  std::size_t value_size = 1024; ///< bytes
  std::size_t readers = 64;      ///< also the depth of hiredis' pipelines
  double seconds = 0.5;          ///< length of a round of one contestant
  std::size_t rounds = 9;
  bool json = false;
  bool quiet = false;
};

/// Starts a redis-server, fills it through the tier, and lets three contestants
/// take turns, by TCP and by a Unix socket: the tier with readers that each
/// have one look-up under way, hiredis with pipelines as deep as there are
/// readers, and hiredis with one command at a time. Every value is checked.
/// Prints look-ups per second, medians of the rounds, and ratios. Returns the
/// exit code: 1 if the tier is slower than 0.8 times hiredis' pipelines or 8
/// times its single commands, if a value was wrong, or without redis-server.
int redis(const redis_bench_options& opts);

} // namespace terrace::bench
