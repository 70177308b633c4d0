// Cache-aside in one call: the value comes from the cache, or from the loader
// if no tier has it. However many threads ask at once, the loader runs once.

#include "actors/system.hpp"

#include <atomic>
#include <iostream>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int main() {
  terrace::options opts;
  opts.cache.chain = {"memory"};
  opts.resp.enabled = false;
  opts.http.enabled = false;
  opts.log.level = "warning";
  auto node = terrace::node::start(opts);
  if (!node) {
    std::cerr << to_string(node.error()) << '\n';
    return 1;
  }
  auto cache = (*node)->cache();

  std::atomic<int> loads{0};
  auto slow_source = [&]() -> terrace::expected<terrace::blob> {
    ++loads;
    std::this_thread::sleep_for(50ms); // a database, an HTTP API, ...
    return terrace::blob::copy("Ada Lovelace");
  };

  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&] {
      auto value = cache.get_or_load("user:7", slow_source,
                                     {.set = {.ttl = 5min}});
      if (value && value->view() == "Ada Lovelace")
        ++right;
    });
  for (auto& t : threads)
    t.join();
  std::cout << right << " callers, " << loads << " load\n";
  return right == 16 && loads == 1 ? 0 : 1;
}
