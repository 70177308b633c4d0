// Entries that belong together carry a tag and are invalidated together.

#include "actors/system.hpp"

#include <iostream>

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
  bool ok = true;
  for (auto key : {"page:1", "page:2"})
    ok = ok && cache.set(key, "rendered", {.tags = {"article:9"}});
  ok = ok && cache.set("page:3", "rendered", {.tags = {"article:10"}});

  auto report = cache.invalidate({terrace::selector::kind::tag, 0, "article:9"},
                                 "article 9 was edited");
  if (!ok || !report)
    return 1;
  std::cout << "removed " << report->removed["memory"] << " pages\n";
  auto gone = cache.get("page:1");
  auto stays = cache.get("page:3");
  return report->removed["memory"] == 2 && gone && !*gone && stays && *stays
           ? 0
           : 1;
}
