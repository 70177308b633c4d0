#define CAF_SUITE tiers.circuit_breaker

#include <caf/test/unit_test.hpp>

#include "tiers/circuit_breaker.hpp"

using namespace terrace;
using namespace std::chrono_literals;

namespace {

using state = circuit_breaker::state;

const failure refused{errc::unavailable, "Connection refused"};
const failure late{errc::timeout, "no reply"};

struct fixture {
  circuit_breaker breaker{3, 500ms};
  circuit_breaker::time_point now{};

  bool in(state x) const {
    return breaker.current() == x;
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(circuit_breaker_tests, fixture)

CAF_TEST(three failures in a row open it) {
  CAF_CHECK(!breaker.failure_seen(refused, now));
  CAF_CHECK(!breaker.failure_seen(refused, now));
  CAF_CHECK(in(state::closed));
  CAF_CHECK(breaker.failure_seen(refused, now));
  CAF_CHECK(in(state::open));
  CAF_CHECK(breaker.reason() == refused);
  CAF_CHECK_EQUAL(breaker.stats().opened, 1u);
}

CAF_TEST(a success breaks the row) {
  breaker.failure_seen(refused, now);
  breaker.failure_seen(refused, now);
  breaker.success();
  CAF_CHECK(!breaker.failure_seen(refused, now));
  CAF_CHECK(!breaker.failure_seen(refused, now));
  CAF_CHECK(in(state::closed));
}

CAF_TEST(one timeout opens it at once) {
  CAF_CHECK(breaker.failure_seen(late, now));
  CAF_CHECK(in(state::open));
}

CAF_TEST(a limit of zero counts as one) {
  circuit_breaker x{0, 500ms};
  CAF_CHECK(x.failure_seen(refused, now));
}

CAF_TEST(no probe is due before the time is over) {
  breaker.trip(refused, now);
  CAF_CHECK(!breaker.try_probe(now));
  CAF_CHECK(!breaker.try_probe(now + 499ms));
  CAF_CHECK(breaker.try_probe(now + 500ms));
  CAF_CHECK(in(state::half_open));
}

CAF_TEST(only one probe is out at a time) {
  breaker.trip(refused, now);
  CAF_CHECK(breaker.try_probe(now + 1s));
  CAF_CHECK(!breaker.try_probe(now + 2s));
  CAF_CHECK_EQUAL(breaker.stats().probes, 1u);
}

CAF_TEST(a good probe closes it and forgets the reason) {
  breaker.trip(refused, now);
  breaker.try_probe(now + 1s);
  breaker.probe_succeeded();
  CAF_CHECK(in(state::closed));
  CAF_CHECK(!breaker.reason());
  CAF_CHECK_EQUAL(breaker.stats().closed, 1u);
  // The row of failures begins anew.
  CAF_CHECK(!breaker.failure_seen(refused, now));
}

CAF_TEST(a bad probe opens it for the whole time again) {
  breaker.trip(refused, now);
  breaker.try_probe(now + 1s);
  breaker.probe_failed(late, now + 1s);
  CAF_CHECK(in(state::open));
  CAF_CHECK(breaker.reason() == late);
  CAF_CHECK(!breaker.try_probe(now + 1499ms));
  CAF_CHECK(breaker.try_probe(now + 1500ms));
  CAF_CHECK_EQUAL(breaker.stats().opened, 1u);
  CAF_CHECK_EQUAL(breaker.stats().probes, 2u);
}

CAF_TEST(late news of old requests changes nothing) {
  breaker.trip(late, now);
  CAF_CHECK(!breaker.failure_seen(refused, now + 1s));
  breaker.success();
  CAF_CHECK(!breaker.trip(refused, now + 1s));
  CAF_CHECK(in(state::open));
  CAF_CHECK(breaker.reason() == late);
  CAF_CHECK(breaker.try_probe(now + 500ms));
  breaker.success();
  CAF_CHECK(in(state::half_open));
}

CAF_TEST(results of probes nobody sent change nothing) {
  breaker.probe_succeeded();
  breaker.probe_failed(refused, now);
  CAF_CHECK(in(state::closed));
  breaker.trip(refused, now);
  breaker.probe_succeeded();
  CAF_CHECK(in(state::open));
  CAF_CHECK_EQUAL(breaker.stats().closed, 0u);
}

CAF_TEST(figures can be reset without changing the state) {
  breaker.trip(refused, now);
  breaker.reset_figures();
  CAF_CHECK_EQUAL(breaker.stats().opened, 0u);
  CAF_CHECK(in(state::open));
}

CAF_TEST_FIXTURE_SCOPE_END()
