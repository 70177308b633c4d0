// The tier with workers that the test plays itself: when the breaker opens, how
// what was missed is made up for, and what one of several servers may do to the
// others.
#define CAF_SUITE actors.redis_recovery

#include "tests/support/redis_workers.hpp"

using namespace terrace;
using namespace terrace::test;
using namespace std::chrono_literals;

CAF_TEST_FIXTURE_SCOPE(redis_recovery_tests, redis_tier_fixture)

// -- going down ---------------------------------------------------------------

CAF_TEST(one timeout answers everything that waits or is under way) {
  opts.connections = 2;
  start();
  auto a = fetch("a");
  auto b = fetch("b");
  auto c = fetch("c1", "c2");
  auto w = store({make("w", 5)});
  auto v = store({make("v", 5)});
  auto r = remove("r", 5);
  auto p = send<std::uint64_t>(purge_atom_v, selector{}, version_t{1});
  auto l = send<key_page>(list_atom_v, list_request{});
  auto n = send<std::uint64_t>(count_atom_v, tenant_id{0});
  finish_fetch(0, late);
  CAF_CHECK(all_failed(a, errc::timeout));
  CAF_CHECK(all_failed(b, errc::timeout));
  CAF_CHECK(all_failed(c, errc::breaker_open));
  CAF_CHECK(store_failed(w, errc::timeout));
  CAF_CHECK(store_failed(v, errc::breaker_open));
  CAF_REQUIRE(*r && *p && *l && *n);
  CAF_CHECK((**r)->why.code == errc::breaker_open);
  CAF_CHECK(to_failure((**p).error()).code == errc::breaker_open);
  CAF_CHECK(!**l);
  CAF_CHECK(!**n);
  auto x = status();
  CAF_CHECK_EQUAL(x.state, "down");
  CAF_CHECK(x.reason.find("no answer in time") != std::string::npos);
  CAF_CHECK(!health->readable);
  CAF_CHECK_EQUAL(x.errors, 4u);
  CAF_CHECK_EQUAL(x.lookups, 4u);
  CAF_CHECK_EQUAL(x.extra["missed_entries"], 4u); // w, v, r, the purge
  CAF_CHECK_EQUAL(x.extra["breaker_opened"], 1u);
}

CAF_TEST(while it is down requests are answered though workers are stuck) {
  opts.connections = 2;
  start();
  fetch("a");
  fetch("stuck");
  store({make("stuck")});
  finish_fetch(0, late);
  auto b = fetch("b");
  auto w = store({make("w", 5)});
  CAF_CHECK(all_failed(b, errc::breaker_open));
  CAF_CHECK(store_failed(w, errc::breaker_open));
  CAF_CHECK((***w).why.detail.find("no answer in time") != std::string::npos);
  // Late results of what was answered already change nothing.
  finish(*workers[2]);
  finish(writer());
  CAF_CHECK_EQUAL(status().state, "down");
  CAF_CHECK_EQUAL(status().lookups, 3u);
}

CAF_TEST(refused connections open it after some in a row) {
  start();
  for (int i = 0; i < 2; ++i) {
    auto a = fetch("a");
    finish_fetch(0, refused);
    CAF_CHECK(all_failed(a, errc::unavailable));
  }
  CAF_CHECK(up());
  fetch("a");
  finish_fetch(0, refused);
  CAF_CHECK_EQUAL(status().state, "down");
}

CAF_TEST(a server that is absent at the start is found out at once) {
  start_unprobed();
  finish(reader(), refused);
  CAF_CHECK_EQUAL(status().state, "down");
  CAF_CHECK(!health->readable);
}

CAF_TEST(a worker that does not come back is not waited for) {
  start();
  auto a = fetch("a");
  pass(900ms);
  CAF_CHECK(!*a);
  pass(200ms);
  CAF_CHECK(all_failed(a, errc::timeout));
  CAF_CHECK_EQUAL(status().state, "down");
  // The probe waits for the worker.
  pass(2s);
  CAF_CHECK_EQUAL(reader().jobs.size(), 1u);
  finish_fetch(1);
  pass(opts.breaker_open_for);
  task<probe_job>(reader());
  finish(reader());
  CAF_CHECK(up());
}

CAF_TEST(a worker that dies is replaced and its requests are answered) {
  start();
  auto a = fetch("a");
  caf::anon_send_exit(reader().actor, caf::exit_reason::unhandled_exception);
  consume_messages();
  CAF_CHECK(all_failed(a, errc::unavailable));
  CAF_REQUIRE_EQUAL(workers.size(), 3u);
  auto b = fetch("b");
  CAF_CHECK_EQUAL(workers[2]->jobs.size(), 1u);
  std::get<fetch_job>(workers[2]->jobs.front().job->task).found.resize(1);
  finish(*workers[2]);
  CAF_CHECK(*b);
}

// -- coming up ----------------------------------------------------------------

CAF_TEST(a probe is sent when the time is over and not before) {
  start();
  break_it();
  pass(400ms);
  CAF_CHECK(reader().jobs.empty());
  pass(100ms);
  task<probe_job>(reader());
  CAF_CHECK_EQUAL(status().state, "half-open");
  finish(reader(), refused);
  CAF_CHECK_EQUAL(status().state, "down");
  pass(500ms);
  finish(reader());
  CAF_CHECK(up());
  CAF_CHECK_EQUAL(figure("breaker_probes"), 2u);
  CAF_CHECK_EQUAL(figure("breaker_opened"), 1u);
}

CAF_TEST(what was missed is replayed before lookups are served) {
  start();
  break_it();
  selector all;
  send<std::uint64_t>(purge_atom_v, all, version_t{3});
  store({make("a", 5), make("b", 5)});
  remove("b", 6);
  promote({make("c", 7)});
  pass(500ms);
  finish(reader());
  CAF_CHECK_EQUAL(status().state, "half-open");
  CAF_CHECK(!health->readable);
  CAF_CHECK(all_failed(fetch("a"), errc::breaker_open));
  CAF_CHECK_EQUAL(task<purge_job>(writer()).up_to, 3u);
  task<purge_job>(writer()).page = {0, "7", false, {}};
  finish(writer());
  CAF_CHECK_EQUAL(task<purge_job>(writer()).cursor, "7");
  task<purge_job>(writer()).page = {0, "", true, {}};
  finish(writer());
  auto& changes = task<replay_job>(writer()).changes;
  CAF_REQUIRE_EQUAL(changes.puts.size(), 1u);
  CAF_CHECK(changes.puts[0] == make("a", 5));
  CAF_CHECK((changes.gone == removals{{key("b"), 6}}));
  CAF_CHECK(!health->readable);
  finish(writer());
  CAF_CHECK(up());
  CAF_CHECK_EQUAL(figure("replayed"), 3u);
  CAF_CHECK_EQUAL(figure("missed_entries"), 0u);
}

CAF_TEST(writes queue up behind the last batch of a replay) {
  start();
  break_it();
  store({make("a"), make("b"), make("c"), make("d"), make("e")});
  pass(500ms);
  finish(reader());
  // Five are missed and four fit: what comes now is noted.
  auto f = store({make("f")});
  CAF_CHECK(store_failed(f, errc::breaker_open));
  finish(writer());
  // Two are left: what comes now waits for the writer.
  CAF_CHECK_EQUAL(task<replay_job>(writer()).changes.puts.size(), 2u);
  auto g = store({make("g")});
  CAF_CHECK(!*g);
  finish(writer());
  CAF_CHECK(up());
  finish_store(outcome::stored);
  CAF_CHECK_EQUAL((**g)->stored, 1u);
}

CAF_TEST(a replay that fails loses nothing) {
  start();
  break_it();
  store({make("a")});
  pass(500ms);
  finish(reader());
  auto b = store({make("b")});
  finish(writer(), late);
  CAF_CHECK(store_failed(b, errc::breaker_open));
  CAF_CHECK_EQUAL(status().state, "down");
  CAF_CHECK_EQUAL(figure("missed_entries"), 2u);
  pass(500ms);
  finish(reader());
  CAF_CHECK_EQUAL(task<replay_job>(writer()).changes.puts.size(), 2u);
  finish(writer());
  CAF_CHECK(up());
}

CAF_TEST(past its bounds what was missed is forgotten and hidden) {
  opts.max_missed = 2;
  start();
  break_it();
  store({make("a", 5), make("b", 6), make("c", 7)});
  pass(500ms);
  finish(reader());
  CAF_CHECK_EQUAL(task<purge_job>(writer()).up_to, 7u);
  finish(writer());
  CAF_CHECK(up());
  auto a = fetch("a");
  finish_fetch(7);
  CAF_CHECK((***a)[0] == lookup::missed());
  auto b = fetch("a");
  finish_fetch(8);
  CAF_CHECK((***b)[0].hit());
  CAF_CHECK_EQUAL(figure("missed_overflows"), 1u);
  CAF_CHECK_EQUAL(figure("hidden"), 1u);
}

CAF_TEST(a full server serves lookups and what is stale in it is hidden) {
  start();
  failure full{errc::no_space, "OOM command not allowed"};
  auto w = store({make("a", 5)});
  finish_store(outcome::failed, full);
  CAF_CHECK(store_failed(w, errc::no_space));
  CAF_CHECK(health->readable);
  auto x = status();
  CAF_CHECK_EQUAL(x.state, "degraded");
  CAF_CHECK(x.reason.find("OOM") != std::string::npos);
  auto a = fetch("a", "b");
  finish_fetch(4);
  CAF_CHECK((***a)[0] == lookup::missed());
  CAF_CHECK((***a)[1].hit());
  pass(500ms);
  finish(writer(), full);
  CAF_CHECK_EQUAL(status().state, "degraded");
  pass(500ms);
  finish(writer());
  CAF_CHECK(up());
  auto b = fetch("a");
  finish_fetch(5);
  CAF_CHECK((***b)[0].hit());
}

CAF_TEST(what a look up read before a replay is hidden after it) {
  start();
  failure full{errc::no_space, "OOM"};
  store({make("a", 5), make("b", 5)});
  finish_store(outcome::failed, full);
  auto found = fetch("a", "b", "c");
  pass(500ms);
  CAF_CHECK_EQUAL(task<replay_job>(writer()).changes.puts.size(), 2u);
  finish(writer());
  CAF_CHECK(up());
  finish_fetch(4);
  CAF_CHECK((***found)[0] == lookup::missed());
  CAF_CHECK((***found)[2].hit());
  CAF_CHECK_EQUAL(figure("hidden"), 2u);
  auto again = fetch("a");
  finish_fetch(4);
  CAF_CHECK((***again)[0].hit());
}

// -- one of several servers ---------------------------------------------------

CAF_TEST(the failure of one of several servers does not open the breaker) {
  start();
  for (int i = 0; i < 5; ++i) {
    auto a = fetch("a", "b");
    auto& job = task<fetch_job>(reader());
    job.found = {lookup::failed(errc::unavailable), lookup::missed()};
    finish_locally(reader());
    CAF_CHECK((***a)[0].what == lookup::outcome::error);
    CAF_CHECK((***a)[1] == lookup::missed());
  }
  CAF_CHECK(up());
}

CAF_TEST(removals fail one by one) {
  start();
  auto a = remove("a", 5);
  finish(writer(), refused);
  auto b = remove("b", 5);
  auto c = remove("c", 5);
  CAF_CHECK((**a)->why);
  task<remove_job>(writer()).outcomes = {gone::existed};
  finish(writer());
  task<remove_job>(writer()).outcomes = {gone::failed};
  finish_locally(writer());
  CAF_CHECK((**b)->existed == std::vector<bool>{true});
  CAF_CHECK(!(**b)->why);
  CAF_CHECK((**c)->why.code == errc::unavailable);
  CAF_CHECK_EQUAL(figure("missed_entries"), 2u);
}

CAF_TEST(what other servers missed is replayed while one is dead) {
  opts.max_batch = 1;
  start();
  for (auto name : {"a", "dead", "b"}) {
    store({make(name, 5)});
    finish_store(outcome::failed, {errc::no_space, "OOM"});
  }
  pass(500ms);
  // As long as something is taken, it goes on; in whatever order they come.
  for (int i = 0; i < 6 && !writer().jobs.empty(); ++i)
    finish_replay_without("dead");
  pass(500ms);
  for (int i = 0; i < 6 && !writer().jobs.empty(); ++i)
    finish_replay_without("dead");
  pass(500ms);
  CAF_CHECK_EQUAL(figure("missed_entries"), 1u);
  CAF_CHECK_EQUAL(figure("replayed"), 2u);
  CAF_CHECK(
    (task<replay_job>(writer()).changes.puts == entries{make("dead", 5)}));
  finish(writer());
  CAF_CHECK(up());
}

CAF_TEST(a tier comes up although one of its servers stays down) {
  start();
  store({make("a", 5), make("dead", 5)});
  finish_store(outcome::failed, late);
  CAF_CHECK_EQUAL(status().state, "down");
  pass(500ms);
  finish(reader());
  finish_replay_without("dead");
  CAF_CHECK_EQUAL(figure("replayed"), 1u);
  finish_replay_without("dead");
  CAF_CHECK(health->readable);
  CAF_CHECK_EQUAL(status().state, "degraded");
}

CAF_TEST(a purge that fails at one server lets other changes pass) {
  start();
  auto n = send<std::uint64_t>(
    purge_atom_v, selector{selector::kind::tag, 0, "red"}, version_t{7});
  // The purge visits the other servers and then says what was left out.
  task<purge_job>(writer()).page = {1, "0@b", false, refused};
  finish(writer());
  CAF_CHECK_EQUAL(task<purge_job>(writer()).cursor, "0@b");
  task<purge_job>(writer()).page = {1, "", true, {}};
  finish(writer());
  CAF_REQUIRE(n->has_value());
  CAF_CHECK(!**n);
  store({make("a", 8)});
  finish_store(outcome::failed, {errc::no_space, "OOM"});
  CAF_CHECK_EQUAL(figure("missed_entries"), 2u);
  pass(500ms);
  CAF_CHECK(task<purge_job>(writer()).whole);
  finish_locally(writer());
  CAF_CHECK((task<replay_job>(writer()).changes.puts == entries{make("a", 8)}));
  finish(writer());
  CAF_CHECK(task<purge_job>(writer()).whole);
  finish_locally(writer());
  CAF_CHECK(writer().jobs.empty());
  pass(500ms);
  task<purge_job>(writer()).page = {0, "", true, {}};
  finish(writer());
  CAF_CHECK(up());
}

CAF_TEST(what was deleted since is not written by a replay) {
  start();
  failure full{errc::no_space, "OOM"};
  store({make("a", 5), make("b", 5), make("c", 5), make("d", 5)});
  finish_store(outcome::failed, full);
  // The server deletes although it is full.
  remove("a", 6);
  task<remove_job>(writer()).outcomes = {gone::existed};
  finish(writer());
  auto n = send<std::uint64_t>(
    purge_atom_v, selector{selector::kind::key, 0, "b"}, version_t{7});
  task<purge_job>(writer()).page = {1, "", true, {}};
  finish(writer());
  store({make("c", 8)});
  finish_store(outcome::stored);
  pass(500ms);
  auto& changes = task<replay_job>(writer()).changes;
  CAF_CHECK((changes.puts == entries{make("d", 5)}));
  CAF_CHECK_EQUAL(changes.gone.size(), 3u);
  finish(writer());
  CAF_CHECK(up());
}

CAF_TEST(a failed promotion is not made up for) {
  start();
  promote({make("a")});
  finish_store(outcome::failed, {errc::no_space, "OOM"});
  CAF_CHECK(up());
}

CAF_TEST(an idle connection is looked after) {
  opts.health_interval = 30s;
  start();
  pass(29s);
  CAF_CHECK(reader().jobs.empty());
  pass(1s);
  task<probe_job>(reader()).server.extra["server_keys"] = 7;
  finish(reader());
  CAF_CHECK_EQUAL(figure("server_keys"), 7u);
  pass(30s);
  finish(reader(), late);
  CAF_CHECK_EQUAL(status().state, "down");
}

CAF_TEST_FIXTURE_SCOPE_END()
