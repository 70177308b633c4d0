/// Nodes in this process that share a Redis server, each behind a proxy.
#pragma once

#include "actors/system.hpp"
#include "tests/support/partition_proxy.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/temp_dir.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace terrace::test {

/// True as soon as `f` is, false after `limit`.
inline bool
eventually(const std::function<bool()>& f,
           std::chrono::milliseconds limit = std::chrono::seconds{20}) {
  auto end = std::chrono::steady_clock::now() + limit;
  while (!f()) {
    if (std::chrono::steady_clock::now() > end)
      return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  return true;
}

/// Memory, Redis and, if wanted, disk; no ports. Beats quickly.
struct shared_node {
  /// `limit`: of Redis commands.
  shared_node(redis_server& server, bool with_disk, std::uint64_t seed = 1,
              std::chrono::milliseconds limit = std::chrono::milliseconds{50})
    : proxy(server.port(), seed) {
    using namespace std::chrono_literals;
    opts.cache.chain = {"memory", "redis"};
    opts.node.shards = 1;
    opts.node.workers = 2;
    opts.disk.enabled = with_disk;
    if (with_disk) {
      opts.cache.chain.push_back("disk");
      opts.disk.path = folder.path();
    }
    opts.redis.enabled = true;
    opts.redis.url = proxy.url();
    opts.redis.breaker_open_for = 50ms;
    opts.redis.connect_timeout = opts.redis.command_timeout = limit;
    opts.backplane.beat_interval = 25ms;
    opts.backplane.check_interval = 500ms;
    opts.resp.enabled = false;
    opts.http.enabled = false;
    opts.warming.restart = false; // tests say what memory holds
    opts.log.level = "off";
    start();
  }

  void start() {
    running.reset();
    auto x = node::start(opts);
    if (!x)
      throw std::runtime_error{to_string(x.error())};
    running = *std::move(x);
  }

  class cache cache() const {
    return running->cache();
  }

  /// The value, "(miss)", or the name of an error.
  std::string get(std::string_view key) const {
    auto x = cache().get(key);
    if (!x)
      return std::string{to_string(x.error().code)};
    return *x ? std::string{(*x)->view()} : "(miss)";
  }

  /// A figure of the backplane, or of another actor.
  std::uint64_t figure(const std::string& name,
                       std::string_view actor = "backplane") const {
    auto report = cache().stats();
    if (!report)
      throw std::runtime_error{to_string(report.error())};
    for (auto& x : report->actors)
      if (x.name == actor)
        return x.counters.at(name);
    throw std::runtime_error{"no such actor"};
  }

  /// Waits until everything is known that others changed so far.
  bool catches_up() const {
    auto start = std::chrono::steady_clock::now();
    return eventually([&] {
      return running->staleness() + std::chrono::milliseconds{1}
             < std::chrono::steady_clock::now() - start;
    });
  }

  temp_dir folder;
  partition_proxy proxy;
  options opts;
  std::unique_ptr<node> running;
};

} // namespace terrace::test
