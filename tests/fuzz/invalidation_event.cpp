// sources: tiers/invalidation_event.cpp messages/errc.cpp messages/selector.cpp
// sources: messages/glob.cpp

// What anyone may publish on the channel of events: it is refused, or it means
// the same after it was written and read again.

#include "tiers/invalidation_event.hpp"

#include <cstdio>
#include <cstdlib>

using namespace terrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  auto x = parse_backplane_message({reinterpret_cast<const char*>(data), size});
  if (!x) {
    if (x.error().code != errc::invalid_argument || x.error().detail.empty())
      std::abort();
    return 0;
  }
  auto text = std::visit([](auto& y) { return to_json(y); }, *x);
  auto again = parse_backplane_message(text);
  if (!again) {
    std::fprintf(stderr, "cannot read again: %s\n", text.c_str());
    std::abort();
  }
  // What another program leaves out is written as nothing, which is the same.
  if (auto* event = std::get_if<invalidation_event>(&*x); event) {
    event->reason = std::get<invalidation_event>(*again).reason;
    if (event->node.empty())
      return 0;
    event->node = std::get<invalidation_event>(*again).node;
  }
  if (auto* beat = std::get_if<node_beat>(&*x); beat) {
    beat->node = std::get<node_beat>(*again).node;
    beat->seen = std::get<node_beat>(*again).seen;
  }
  if (*again != *x) {
    std::fprintf(stderr, "not the same: %s\n", text.c_str());
    std::abort();
  }
  return 0;
}
