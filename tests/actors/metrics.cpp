#define CAF_SUITE actors.metrics

#include "tests/support/actor_fixture.hpp"

#include "actors/metrics.hpp"
#include "tests/support/fake_tier.hpp"

using namespace terrace;
using namespace terrace::test;

namespace {

caf::behavior fake_gateway(caf::event_based_actor*) {
  return {
    [](status_atom) {
      return actor_status{"ignored", {{"connections", 4}}, {}};
    },
    [](reset_atom) {},
  };
}

caf::behavior mute(caf::event_based_actor* self) {
  return {
    [self](status_atom) { return self->make_response_promise(); },
    [](reset_atom) {},
  };
}

struct fixture : actor_fixture {
  std::vector<fake_tier_ptr> tiers;
  std::vector<tier_actor> handles;
  metrics_actor uut;

  fixture() {
    metrics_setup setup;
    setup.now = clock();
    for (auto kind : {tier_kind::memory, tier_kind::memory, tier_kind::disk}) {
      tiers.push_back(std::make_shared<fake_tier>());
      handles.push_back(sys.spawn(fake_tier_actor, tiers.back()));
      setup.tiers.push_back(
        {kind, handles.back(), std::make_shared<tier_health>(), true, 100});
    }
    setup.tiers.back().health->skipped = 7;
    tiers[0]->held["a"] = {};
    tiers[1]->held["b"] = {};
    uut = sys.spawn(metrics, setup);
    consume_messages();
  }

  ~fixture() {
    stop(uut);
    for (auto& x : handles)
      stop(x);
  }

  void join(const std::string& label, const caf::actor& x) {
    caf::anon_send(uut, caf::join_atom_v, label, x);
    consume_messages();
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(metrics_tests, fixture)

CAF_TEST(shards of a tier add up and the chain keeps its order) {
  auto x = ask<node_report>(uut, report_atom_v);
  CAF_REQUIRE_EQUAL(x.tiers.size(), 2u);
  CAF_CHECK(x.tiers[0].tier == tier_kind::memory);
  CAF_CHECK_EQUAL(x.tiers[0].entries, 2u);
  CAF_CHECK_EQUAL(x.tiers[0].hits, 6u); // three per fake tier
  CAF_CHECK(x.tiers[1].tier == tier_kind::disk);
  CAF_CHECK_EQUAL(x.tiers[1].skipped, 7u);
  CAF_CHECK_EQUAL(x.taken_ms, now_ms);
  CAF_CHECK_EQUAL(x.requests, 6u);
  CAF_CHECK_EQUAL(x.request_hits, 6u);
}

CAF_TEST(whoever joins is part of the report until it dies) {
  auto gateway = sys.spawn(fake_gateway);
  join("resp.0", gateway);
  auto x = ask<node_report>(uut, report_atom_v);
  CAF_REQUIRE_EQUAL(x.actors.size(), 1u);
  CAF_CHECK_EQUAL(x.actors[0].name, "resp.0");
  CAF_CHECK_EQUAL(x.actors[0].counters["connections"], 4u);
  stop(gateway);
  CAF_CHECK(ask<node_report>(uut, report_atom_v).actors.empty());
}

CAF_TEST(an actor that does not answer is named and does not hold up) {
  auto silent = sys.spawn(mute);
  join("stuck", silent);
  auto pending = self->request(uut, caf::infinite, report_atom_v);
  consume_messages();
  advance_time(metrics_state::patience);
  consume_messages();
  pending.receive(
    [](node_report& x) {
      CAF_CHECK(x.silent == (std::vector<std::string>{"stuck"}));
      CAF_CHECK_EQUAL(x.tiers.size(), 2u);
    },
    [](caf::error&) { CAF_FAIL("error"); });
  stop(silent);
}

CAF_TEST(a reset reaches every tier) {
  caf::anon_send(uut, reset_atom_v);
  consume_messages();
  for (auto& x : tiers)
    CAF_CHECK_EQUAL(std::count(x->log.begin(), x->log.end(), "reset"), 1);
}

CAF_TEST_FIXTURE_SCOPE_END()
