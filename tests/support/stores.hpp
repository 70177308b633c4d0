/// Every storage engine, for tests that demand the same of all of them. A new
/// engine needs one function and one line in `real_stores`.
#pragma once

#include "tests/support/redis_server.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/topology.hpp"
#include "tiers/lmdb_store.hpp"
#include "tiers/memory_store.hpp"
#include "tiers/null_store.hpp"
#include "tiers/redis_store.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace terrace::test {

/// An engine with what it stands on; empty at first.
struct held_store {
  std::string name;
  std::shared_ptr<void> ground; ///< server or folder; goes after the engine
  std::unique_ptr<store> engine;
};

inline held_store make_null_store() {
  return {"null", {}, std::make_unique<null_store>()};
}

inline held_store make_memory_store() {
  memory_options opts;
  constexpr std::uint64_t seed = 5;
  auto view = memory_store::make_view(opts, 1, seed);
  return {"memory", {}, std::make_unique<memory_store>(opts, view, 0)};
}

inline held_store make_redis_store() {
  auto server = std::make_shared<redis_server>();
  redis_options opts;
  opts.command_timeout = milliseconds{5000};
  auto engine = std::make_unique<redis_store>(
    opts, make_topology(opts, server->url()),
    std::make_shared<codec>(compression_options{}),
    std::make_shared<redis_figures>(), "terrace-test");
  return {"redis", server, std::move(engine)};
}

inline held_store make_lmdb_store() {
  auto folder = std::make_shared<temp_dir>();
  auto engine = lmdb_store::open(disk_options{}, compression_options{},
                                 folder->path());
  if (!engine)
    throw std::runtime_error{to_string(engine.error())};
  return {"lmdb", folder, *std::move(engine)};
}

/// The engines that keep what they are given.
inline std::vector<held_store> real_stores() {
  std::vector<held_store> result;
  result.push_back(make_memory_store());
  result.push_back(make_redis_store());
  result.push_back(make_lmdb_store());
  return result;
}

} // namespace terrace::test
