#define CAF_SUITE actors.invalidator

#include "tests/support/actor_fixture.hpp"

#include "actors/invalidator.hpp"
#include "tests/support/fake_tier.hpp"

using namespace terrace;
using namespace terrace::test;

namespace {

/// A coordinator that writes down what it is asked and purges nothing.
coordinator_actor::behavior_type
fake_coordinator(coordinator_actor::pointer,
                 std::shared_ptr<std::vector<std::string>> log) {
  return {
    [](fetch_atom, const keys&) { return lookups{}; },
    [](warm_atom, const keys&) { return lookups{}; },
    [](apply_atom, mutations&) { return mutation_results{}; },
    [](claim_atom, const std::string&, std::uint64_t) { return claim{}; },
    [](fulfil_atom, std::uint64_t, mutation&) { return mutation_result{}; },
    [](abandon_atom, const std::string&, std::uint64_t, const failure&) {},
    [=](fence_atom, const selector&, version_t, bool) {
      log->push_back("fence");
      return std::uint64_t{2};
    },
    [=](unfence_atom, version_t) { log->push_back("unfence"); },
    [](forget_atom, const removals& xs) { return std::uint64_t{xs.size()}; },
    [](status_atom) { return actor_status{}; },
    [](reset_atom) {},
    [](tick_atom) {},
  };
}

struct fixture : actor_fixture {
  std::shared_ptr<std::vector<std::string>> log
    = std::make_shared<std::vector<std::string>>();
  fake_tier_ptr disk = std::make_shared<fake_tier>();
  std::vector<coordinator_actor> coordinators;
  tier_actor disk_handle;
  std::shared_ptr<hybrid_clock> versions = std::make_shared<hybrid_clock>();
  invalidator_actor uut;

  fixture() {
    for (int i = 0; i < 2; ++i)
      coordinators.push_back(sys.spawn(fake_coordinator, log));
    disk_handle = sys.spawn(fake_tier_actor, disk);
    for (auto name : {"u:1", "u:2", "v:1"})
      disk->held[qualify(0, name)]
        = {blob::copy("x"), versions->next(now_ms), 0, {}};
    uut = sys.spawn(invalidator, coordinators,
                    std::vector<tier_handle>{{tier_kind::disk, disk_handle,
                                              std::make_shared<tier_health>(),
                                              true, 100}},
                    versions, clock());
    consume_messages();
  }

  ~fixture() {
    stop(uut);
    stop(disk_handle);
    for (auto& x : coordinators)
      stop(x);
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(invalidator_tests, fixture)

CAF_TEST(all fences stand before a shared tier is purged) {
  selector what{selector::kind::prefix, 0, "u:"};
  auto pending = self->request(uut, caf::infinite, invalidate_atom_v, what,
                               std::string{"test"});
  sched.run_once(); // the dispatcher raises the fences
  CAF_CHECK(disk->log.empty());
  sched.run_once(); // the first coordinator
  CAF_CHECK_EQUAL(log->size(), 1u);
  CAF_CHECK(disk->log.empty());
  consume_messages();
  CAF_CHECK(
    *log == (std::vector<std::string>{"fence", "fence", "unfence", "unfence"}));
  CAF_CHECK(disk->log == (std::vector<std::string>{"purge prefix"}));
  pending.receive(
    [](invalidation_report& x) {
      // Each fake coordinator says that it removed two entries.
      CAF_CHECK(x.removed == (counter_map{{"disk", 2}, {"memory", 4}}));
      CAF_CHECK(x.pending.empty());
    },
    [](caf::error&) { CAF_FAIL("error"); });
  CAF_CHECK_EQUAL(disk->held.size(), 1u);
}

CAF_TEST(a tier that is gone is named as pending) {
  stop(disk_handle);
  auto x = ask<invalidation_report>(uut, invalidate_atom_v,
                                    selector{selector::kind::all, 0, {}},
                                    std::string{"test"});
  CAF_CHECK(x.pending == (std::vector<std::string>{"disk"}));
  CAF_CHECK_EQUAL(std::count(log->begin(), log->end(), "unfence"), 2);
  auto figures = ask<actor_status>(uut, status_atom_v).counters;
  CAF_CHECK_EQUAL(figures["incomplete"], 1u);
  CAF_CHECK_EQUAL(figures["open"], 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
