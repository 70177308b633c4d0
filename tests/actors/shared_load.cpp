// A missing key that many clients of many nodes want at once is loaded by one.

#define CAF_SUITE actors.shared_load

#include "tests/support/shared_redis.hpp"

#include <caf/test/unit_test.hpp>

#include <atomic>
#include <latch>
#include <memory>
#include <vector>

using namespace terrace;
using namespace terrace::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t node_count = 5;
constexpr std::size_t clients = 1000; ///< of each node

/// Thousands of threads on a few cores: an answer of Redis may wait for long.
constexpr auto patience = 5s;

std::vector<std::unique_ptr<shared_node>> start_nodes(redis_server& server) {
  std::vector<std::unique_ptr<shared_node>> result;
  for (std::size_t i = 0; i < node_count; ++i)
    result.push_back(std::make_unique<shared_node>(server, false, i, patience));
  return result;
}

struct outcome {
  std::atomic<std::size_t> loads{0};
  std::atomic<std::size_t> right{0};
};

/// All clients of all nodes ask at the same moment.
void stampede(std::vector<std::unique_ptr<shared_node>>& nodes,
              const std::string& key, outcome& x) {
  std::latch start{static_cast<std::ptrdiff_t>(node_count * clients)};
  std::vector<std::thread> threads;
  for (auto& node : nodes)
    for (std::size_t i = 0; i < clients; ++i)
      threads.emplace_back([&] {
        auto cache = node->cache();
        start.arrive_and_wait();
        auto value = cache.get_or_load(key, [&]() -> expected<blob> {
          ++x.loads;
          // Long enough for everybody to come.
          std::this_thread::sleep_for(300ms);
          return blob::copy("loaded");
        });
        x.right += value && value->view() == "loaded";
      });
  for (auto& thread : threads)
    thread.join();
}

/// A process with a node that begins to load `key` and never ends.
class stuck_loader {
public:
  stuck_loader(redis_server& server, const std::string& key) {
    int ready[2];
    if (::pipe(ready) != 0)
      throw std::runtime_error{"no pipe"};
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      shared_node node{server, false};
      static_cast<void>(node.cache().get_or_load(key, [&]() -> expected<blob> {
        static_cast<void>(::write(ready[1], "x", 1));
        for (;;)
          ::pause();
      }));
      ::_exit(1);
    }
    ::close(ready[1]);
    char loading = 0;
    if (::read(ready[0], &loading, 1) != 1)
      throw std::runtime_error{"the other process does not load"};
    ::close(ready[0]);
  }

  ~stuck_loader() {
    kill();
  }

  void kill() {
    if (pid_ <= 0)
      return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

private:
  pid_t pid_ = -1;
};

} // namespace

CAF_TEST(one of all nodes loads a key) {
  redis_server server;
  auto nodes = start_nodes(server);
  outcome x;
  stampede(nodes, "popular", x);
  CAF_CHECK_EQUAL(x.loads.load(), 1u);
  CAF_CHECK_EQUAL(x.right.load(), node_count * clients);
}

CAF_TEST(when the node that loads is killed one other does) {
  redis_server server;
  stuck_loader holder{server, "popular"};
  auto nodes = start_nodes(server);
  CAF_CHECK_EQUAL(server.run_command({"EXISTS", "terrace:lease:0:popular"}),
                  "1");
  std::thread killer{[&] {
    // Not before others wait for it.
    eventually([&] {
      for (auto& node : nodes)
        if (node->figure("lease_waits", "coordinator.0") == 0)
          return false;
      return true;
    });
    holder.kill();
  }};
  outcome x;
  stampede(nodes, "popular", x);
  killer.join();
  CAF_CHECK_EQUAL(x.loads.load(), 1u);
  CAF_CHECK_EQUAL(x.right.load(), node_count * clients);
}

CAF_TEST(without Redis each node loads for itself) {
  redis_server server;
  auto nodes = start_nodes(server);
  server.kill();
  outcome x;
  stampede(nodes, "popular", x);
  CAF_CHECK(x.loads.load() <= node_count);
  CAF_CHECK_EQUAL(x.right.load(), node_count * clients);
}

CAF_TEST(a load that fails lets the next node try) {
  redis_server server;
  auto nodes = start_nodes(server);
  auto failed = nodes[0]->cache().get_or_load("k", []() -> expected<blob> {
    return failure{errc::unavailable, "the source is down"};
  });
  CAF_CHECK(!failed);
  auto loaded = nodes[1]->cache().get_or_load("k", []() -> expected<blob> {
    return blob::copy("v");
  });
  CAF_REQUIRE(loaded);
  CAF_CHECK_EQUAL(loaded->view(), "v");
  CAF_CHECK(eventually([&] {
    return server.run_command({"EXISTS", "terrace:lease:0:k"}) == "0";
  }));
}
