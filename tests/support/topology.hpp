/// The servers of a Redis tier, for tests that begin below the configuration.
#pragma once

#include "tiers/redis_topology.hpp"
#include "tiers/redis_url.hpp"

#include <memory>
#include <stdexcept>
#include <string>

namespace terrace::test {

/// The servers of `urls` in the mode of `opts`. Throws `std::runtime_error` on
/// a bad URL.
inline std::shared_ptr<redis_topology> make_topology(const redis_options& opts,
                                                     const std::string& urls) {
  auto servers = read_redis_urls(urls);
  if (!servers)
    throw std::runtime_error{to_string(servers.error())};
  return std::make_shared<redis_topology>(opts, *servers,
                                          std::make_shared<redis_figures>());
}

} // namespace terrace::test
