#define CAF_SUITE actors.configurator

#include "tests/support/actor_fixture.hpp"

#include "actors/configurator.hpp"
#include "actors/memory_tier.hpp"

using namespace terrace;

namespace {

struct fixture : test::actor_fixture {
  live_options_ptr live = std::make_shared<live_options>(options{});
  memory_view_ptr view = memory_store::make_view(live->get()->memory, 2, 1);
  std::vector<memory_tier_actor> memory;
  configurator_actor uut;

  void start(std::size_t shards) {
    for (std::size_t i = 0; i < shards; ++i)
      memory.push_back(sys.spawn(memory_tier, live->get()->memory,
                                 std::uint64_t{0}, view, i, clock()));
    uut = sys.spawn(configurator, live, memory);
  }

  ~fixture() {
    for (auto& x : memory)
      stop(x);
    stop(uut);
  }

  std::uint64_t configure(const settings& xs) {
    return ask<std::uint64_t>(uut, configure_atom_v, xs);
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(configurator_tests, fixture)

CAF_TEST(every shard takes its part of a new bound) {
  start(2);
  CAF_CHECK_EQUAL(
    configure({{"memory.max_size", "8MiB"}, {"memory.policy", "lru"}}), 2u);
  CAF_CHECK_EQUAL(live->get()->memory.max_size, 8u << 20);
  CAF_CHECK_EQUAL(live->get()->memory.policy, "lru");
  for (auto& x : memory)
    CAF_CHECK_EQUAL(ask<tier_status>(x, status_atom_v).capacity_bytes,
                    4u << 20);
}

CAF_TEST(a list is taken as a whole or not at all) {
  start(1);
  auto before = *live->get();
  for (auto& bad :
       {setting{"memory.policy", "best"}, setting{"resp.port", "1"},
        setting{"memory.max_sizes", "1GiB"}, setting{"memory.max_size", "1"}}) {
    auto why = ask_failure<std::uint64_t>(
      uut, configure_atom_v, settings{{"memory.max_entries", "5"}, bad});
    CAF_CHECK(why.code == errc::invalid_argument);
    CAF_CHECK(why.detail.starts_with(bad.name + ": "));
    CAF_CHECK(*live->get() == before);
  }
}

CAF_TEST(without memory the options change all the same) {
  start(0);
  CAF_CHECK_EQUAL(configure({{"memory.max_size", "8MiB"}}), 1u);
  CAF_CHECK_EQUAL(live->get()->memory.max_size, 8u << 20);
}

CAF_TEST_FIXTURE_SCOPE_END()
