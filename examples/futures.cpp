// Asynchronous use: a hit in memory completes at once, a miss later.

#include "actors/system.hpp"

#include <filesystem>
#include <future>
#include <iostream>
#include <random>

int main() {
  auto folder = std::filesystem::temp_directory_path()
                / ("terrace-example-" + std::to_string(std::random_device{}()));
  terrace::options opts;
  opts.cache.chain = {"memory", "disk"};
  opts.disk.path = folder.string();
  opts.resp.enabled = false;
  opts.http.enabled = false;
  opts.log.level = "warning";
  auto node = terrace::node::start(opts);
  if (!node) {
    std::cerr << to_string(node.error()) << '\n';
    return 1;
  }
  auto cache = (*node)->cache();
  auto written = cache.set_async("k", terrace::blob::copy("v"));
  bool ok = static_cast<bool>(written.get());

  auto hit = cache.get_async("k").get();
  ok = ok && hit && *hit && (*hit)->view() == "v";

  std::promise<bool> missed;
  cache.get("absent",
            [&](terrace::cache::get_result x) { missed.set_value(x && !*x); });
  ok = ok && missed.get_future().get();

  (*node)->stop();
  auto late = cache.get("absent");
  ok = ok && !late && late.error().code == terrace::errc::shutting_down;
  std::filesystem::remove_all(folder);
  std::cout << (ok ? "all as expected\n" : "something is wrong\n");
  return ok ? 0 : 1;
}
