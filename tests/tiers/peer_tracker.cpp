#define CAF_SUITE tiers.peer_tracker

#include "tiers/peer_tracker.hpp"

#include <caf/test/unit_test.hpp>

using namespace terrace;

namespace {

/// Node "me" as it hears from "a". Time begins at 1000.
struct fixture {
  /// "a" sends a beat that names my beat `mine`.
  void beat_of_a(std::uint64_t seq, std::uint64_t mine, std::int64_t now,
                 std::uint64_t lag = 0) {
    node_beat x{"a", ++beats, seq, lag, {}, false};
    if (mine != 0)
      x.seen["me"] = mine;
    t.beat(x, now);
  }

  /// I send a beat, and it comes back to me.
  void my_beat(std::int64_t now) {
    auto x = t.next_beat(now);
    t.beat(x, now + 1);
  }

  peer_tracker t{"me", 1000};
  std::uint64_t beats = 0;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(peer_tracker_tests, fixture)

CAF_TEST(events in order are new and complete) {
  for (std::uint64_t i = 1; i <= 5; ++i)
    CAF_CHECK(t.event("a", i, 1000));
  CAF_CHECK(!t.incomplete());
  CAF_CHECK(!t.event("a", 3, 1000));
  CAF_CHECK(!t.event("me", 9, 1000));
  CAF_CHECK(!t.incomplete());
}

CAF_TEST(a gap is noticed and closes when what is missing comes late) {
  t.event("a", 1, 1000);
  CAF_CHECK(t.event("a", 3, 1000));
  CAF_CHECK(t.incomplete());
  CAF_CHECK(!t.event("a", 3, 1000));
  CAF_CHECK(t.event("a", 2, 1000));
  CAF_CHECK(!t.incomplete());
}

CAF_TEST(what is not in the log was never written) {
  t.event("a", 1, 1000);
  t.event("a", 4, 1000);
  CAF_CHECK(t.event("a", 2, 1000)); // from the log; 3 is not in it
  t.log_was_read(1000);
  CAF_CHECK(!t.incomplete());
  CAF_CHECK(!t.event("a", 4, 1000));
  CAF_CHECK(t.event("a", 5, 1000));
  CAF_CHECK(!t.incomplete());
}

CAF_TEST(what a new log lacks was lost if its node had written it) {
  t.event("a", 1, 1000);
  CAF_CHECK(t.log_was_read(1000));
  t.log_was_lost();
  CAF_CHECK(t.in_doubt());
  CAF_CHECK(t.log_was_read(1000));
  beat_of_a(1, 0, 1000);
  CAF_CHECK(!t.in_doubt());
  // Known from now on to be whole, so that 2 was never written.
  t.event("a", 3, 1000);
  CAF_CHECK(t.log_was_read(1000));
  t.log_was_lost();
  beat_of_a(5, 0, 1000);
  CAF_CHECK(t.in_doubt());
  CAF_CHECK(!t.log_was_read(1000));
  t.begin_anew();
  CAF_CHECK(!t.in_doubt());
}

CAF_TEST(a node first heard of after the log was lost is in doubt) {
  t.log_was_lost();
  t.event("young", 1, 1000);
  t.beat({"young", 1, 1, 0, {}, false}, 1000);
  CAF_CHECK(t.log_was_read(1000));
  t.beat({"old", 70, 500, 0, {}, false}, 1000);
  CAF_CHECK(!t.log_was_read(1000));
  peer_tracker later{"me", 1000};
  later.remember("old", 500, 1000);
  later.log_was_lost();
  later.beat({"old", 70, 500, 0, {}, false}, 1000);
  CAF_CHECK(later.log_was_read(1000));
}

CAF_TEST(a beat tells of a lost event) {
  t.event("a", 1, 1000);
  beat_of_a(2, 0, 1000);
  CAF_CHECK(t.incomplete());
  t.event("a", 2, 1000);
  CAF_CHECK(!t.incomplete());
}

CAF_TEST(alone a node is as fresh as its own beats that come back) {
  CAF_CHECK_EQUAL(t.fresh_ms(), 1000);
  my_beat(1500);
  CAF_CHECK_EQUAL(t.fresh_ms(), 1500);
  t.next_beat(2000); // does not come back
  CAF_CHECK_EQUAL(t.fresh_ms(), 1500);
}

CAF_TEST(freshness is the time of my beat that the other names) {
  my_beat(1500);
  beat_of_a(0, 1, 1700);
  CAF_CHECK_EQUAL(t.fresh_ms(), 1500);
  my_beat(2000);
  CAF_CHECK_EQUAL(t.fresh_ms(), 1500);
  // Later, but it had not seen my second beat.
  beat_of_a(0, 1, 2100);
  CAF_CHECK_EQUAL(t.fresh_ms(), 1500);
  beat_of_a(0, 2, 2300);
  CAF_CHECK_EQUAL(t.fresh_ms(), 2000);
}

CAF_TEST(freshness waits for the events that a beat names) {
  my_beat(1500);
  beat_of_a(0, 1, 1600);
  my_beat(2000);
  beat_of_a(3, 2, 2100);
  CAF_CHECK_EQUAL(t.fresh_ms(), 1500);
  t.event("a", 1, 2200);
  t.event("a", 3, 2200);
  CAF_CHECK_EQUAL(t.fresh_ms(), 1500);
  t.log_was_read(2200); // there is no 2
  CAF_CHECK_EQUAL(t.fresh_ms(), 2000);
}

CAF_TEST(who lags behind is that much less fresh) {
  my_beat(5000);
  beat_of_a(0, 1, 5100, 3000);
  CAF_CHECK_EQUAL(t.fresh_ms(), 2000);
}

CAF_TEST(a new node lowers freshness until it names a beat) {
  my_beat(5000);
  CAF_CHECK_EQUAL(t.fresh_ms(), 5000);
  beat_of_a(0, 0, 5100);
  CAF_CHECK_EQUAL(t.fresh_ms(), 1000);
  my_beat(5200);
  beat_of_a(0, 2, 5300);
  CAF_CHECK_EQUAL(t.fresh_ms(), 5200);
}

CAF_TEST(nodes known from old events alone do not count) {
  t.event("gone", 70, 1000);
  t.log_was_read(1000);
  my_beat(5000);
  CAF_CHECK_EQUAL(t.fresh_ms(), 5000);
}

CAF_TEST(silent nodes are forgotten and those that leave too) {
  my_beat(2000);
  beat_of_a(0, 1, 2000);
  t.forget_silent(3000, 1000);
  CAF_CHECK_EQUAL(t.peers().size(), 1u);
  t.forget_silent(3001, 1000);
  CAF_CHECK(t.peers().empty());
  t.beat({"b", 1, 4, 0, {}, true}, 4000);
  CAF_CHECK(t.incomplete());
  t.log_was_read(4000);
  CAF_CHECK(t.peers().empty());
}

CAF_TEST_FIXTURE_SCOPE_END()
