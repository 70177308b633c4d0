#define CAF_SUITE config.memory_budget

#include "config/memory_budget.hpp"
#include "config/options_access.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;

namespace {

constexpr std::uint64_t mib = 1u << 20;

/// Of `max_memory`, what the parts may take at most.
std::uint64_t sum(const options& x) {
  return x.memory.max_size + x.memory.max_size / 20 * 3
         + x.disk.max_pending_size + x.redis.max_missed_size;
}

} // namespace

CAF_TEST(without a budget every part has its own bound) {
  options x;
  CAF_CHECK(with_budget(x) == x);
}

CAF_TEST(the parts stay within the budget and use it) {
  for (auto whole : {64 * mib, 256 * mib, 1024 * mib, 65536 * mib}) {
    options x;
    x.node.max_memory = whole;
    x.redis.enabled = true;
    auto y = with_budget(x);
    CAF_CHECK(sum(y) < whole - 24 * mib);
    CAF_CHECK(sum(y) > whole / 2);
    CAF_CHECK(y.memory.max_size >= whole / 8);
    CAF_CHECK(y.disk.commit_size <= y.disk.max_pending_size);
    CAF_CHECK(validate(x).empty());
  }
}

CAF_TEST(what is not used gets nothing) {
  options x;
  x.node.max_memory = 1024 * mib;
  auto all = with_budget(x).memory.max_size;
  x.disk.enabled = false;
  auto more = with_budget(x).memory.max_size;
  CAF_CHECK(more > all + 200 * mib);
  x.disk.enabled = true;
  x.cache.chain = {"memory"};
  CAF_CHECK_EQUAL(with_budget(x).memory.max_size, more);
}

CAF_TEST(a bound of its own beside the budget is an error) {
  options x;
  x.node.max_memory = 1024 * mib;
  x.memory.max_size = 100 * mib;
  auto found = validate(x);
  CAF_REQUIRE_EQUAL(found.size(), 1u);
  CAF_CHECK_EQUAL(found[0].concerns[0], "memory.max_size");
  x.node.max_memory = 0;
  CAF_CHECK(validate(x).empty());
}
