#include "config/memory_budget.hpp"

#include <algorithm>
#include <string_view>

namespace terrace {

namespace {

constexpr std::uint64_t mib = 1u << 20;

bool in_chain(const options& x, std::string_view tier) {
  auto& chain = x.cache.chain;
  return std::find(chain.begin(), chain.end(), tier) != chain.end();
}

} // namespace

options with_budget(options x) {
  auto whole = x.node.max_memory;
  if (whole == 0)
    return x;
  auto rest = whole - std::max(whole / 16, 24 * mib);
  if (x.redis.enabled && in_chain(x, "redis")) {
    x.redis.max_missed_size = std::min(x.redis.max_missed_size, whole / 8);
    rest -= x.redis.max_missed_size;
  }
  if (x.disk.enabled && in_chain(x, "disk")) {
    x.disk.max_pending_size = std::min(whole / 4, 512 * mib);
    x.disk.commit_size = std::min(x.disk.commit_size, x.disk.max_pending_size);
    rest -= x.disk.max_pending_size;
  }
  x.memory.max_size = rest / 115 * 100;
  return x;
}

} // namespace terrace
