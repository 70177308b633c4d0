// The tier with workers that the test plays itself: order, merging, limits,
// figures. How it goes down and comes up is in redis_recovery.cpp, real servers
// are in redis_outage.cpp.
#define CAF_SUITE actors.redis_tier

#include "tests/support/redis_workers.hpp"

using namespace terrace;
using namespace terrace::test;

CAF_TEST_FIXTURE_SCOPE(redis_tier_tests, redis_tier_fixture)

// -- queues -------------------------------------------------------------------

CAF_TEST(there is one writer and the configured number of readers) {
  opts.connections = 3;
  start();
  CAF_REQUIRE_EQUAL(workers.size(), 4u);
  CAF_CHECK_EQUAL(workers[0]->client_name, "terrace-writer");
  CAF_CHECK_EQUAL(workers[3]->client_name, "terrace-reader");
}

CAF_TEST(lookups that wait become one job and get their own answers) {
  start();
  auto a = fetch("a");
  auto b = fetch("b1", "b2");
  auto c = fetch("c");
  auto d = fetch("d1", "d2");
  CAF_CHECK_EQUAL(figure("queued"), 5u);
  CAF_CHECK(task<fetch_job>(reader()).wanted == keys{key("a")});
  finish_fetch(1);
  // Four keys are a full batch: d has to wait once more.
  CAF_CHECK(
    (task<fetch_job>(reader()).wanted == keys{key("b1"), key("b2"), key("c")}));
  CAF_CHECK(!*c);
  finish_fetch(2);
  CAF_REQUIRE(*b && *c);
  CAF_CHECK_EQUAL((**b)->size(), 2u);
  CAF_CHECK((***b)[1].data.value.view() == key("b2"));
  CAF_CHECK((***c)[0].data.value.view() == key("c"));
  CAF_CHECK(!*d);
  finish_fetch(3);
  CAF_CHECK(*d);
  CAF_CHECK_EQUAL(figure("queued"), 0u);
}

CAF_TEST(lookups use every free reader) {
  opts.connections = 2;
  start();
  fetch("a");
  fetch("b");
  CAF_CHECK_EQUAL(workers[1]->jobs.size(), 1u);
  CAF_CHECK_EQUAL(workers[2]->jobs.size(), 1u);
  finish(*workers[1]);
  finish(*workers[2]);
}

CAF_TEST(writes keep their order and merge only with their like) {
  start();
  auto a = store({make("a")});
  auto b = store({make("b1"), make("b2")});
  auto c = store({make("c")});
  auto d = promote({make("d")});
  auto e = remove("e", 1);
  auto f = remove("f", 1);
  auto g = store({make("g")});
  finish_store(outcome::stored);
  CAF_CHECK_EQUAL(task<store_job>(writer()).batches.size(), 2u);
  finish_store(outcome::refused);
  CAF_CHECK(task<store_job>(writer()).if_absent);
  finish_store(outcome::stored);
  CAF_CHECK_EQUAL(task<remove_job>(writer()).gone.size(), 2u);
  task<remove_job>(writer()).outcomes = {gone::absent, gone::existed};
  finish(writer());
  finish_store(outcome::stored);
  CAF_CHECK_EQUAL((**a)->stored, 1u);
  CAF_CHECK_EQUAL((**b)->refused, 2u);
  CAF_CHECK_EQUAL((**c)->refused, 1u);
  CAF_CHECK_EQUAL((**d)->stored, 1u);
  CAF_CHECK((**e)->existed == std::vector<bool>{false});
  CAF_CHECK((**f)->existed == std::vector<bool>{true});
  CAF_CHECK_EQUAL((**g)->stored, 1u);
}

CAF_TEST(guarded changes and looks keep their place among the writes) {
  using swapped = redis_store::swap_outcome;
  auto guarded = [](std::string_view name) {
    return guarded_change{make(name, 5), false, 3};
  };
  start();
  auto a = store({make("a")});
  auto b = send<lookup>(look_atom_v, key("b"));
  auto c = send<lookup>(look_atom_v, key("c"));
  auto d = send<bool>(swap_atom_v, guarded("d"));
  auto e = send<bool>(swap_atom_v, guarded("e"));
  auto f = store({make("f")});
  finish_store(outcome::stored);
  auto& looks = task<fetch_job>(writer());
  CAF_CHECK((looks.wanted == keys{key("b"), key("c")}));
  looks.found = {lookup::missed(),
                 lookup::found({{}, 7, 0, {}}, tier_kind::redis)};
  finish(writer());
  CAF_CHECK((**b)->what == lookup::outcome::miss);
  CAF_CHECK_EQUAL((**c)->data.version, 7u);
  auto& swaps = task<swap_job>(writer());
  CAF_REQUIRE_EQUAL(swaps.changes.size(), 2u);
  CAF_CHECK_EQUAL(swaps.changes[1].change.key, key("e"));
  CAF_CHECK_EQUAL(swaps.changes[1].seen, 3u);
  swaps.outcomes = {swapped::made, swapped::lost};
  CAF_CHECK(!*d);
  finish(writer());
  CAF_CHECK_EQUAL(***d, true);
  CAF_CHECK_EQUAL(***e, false);
  finish_store(outcome::stored);
  CAF_CHECK(*f);
}

CAF_TEST(a guarded change that fails is not made up for) {
  start();
  auto a = send<bool>(swap_atom_v, guarded_change{make("a", 5), false, 3});
  task<swap_job>(writer()).outcomes = {redis_store::swap_outcome::failed};
  finish(writer(), late);
  CAF_REQUIRE(*a);
  CAF_CHECK(!**a);
  CAF_CHECK_EQUAL(figure("missed_entries"), 0u);
  // The breaker is open now.
  auto b = send<bool>(swap_atom_v, guarded_change{make("b", 5), false, 3});
  CAF_CHECK(*b && !**b);
  auto c = send<lookup>(look_atom_v, key("c"));
  CAF_CHECK_EQUAL((**c)->code, errc::breaker_open);
}

CAF_TEST(where an earlier change was missed a guarded one is refused) {
  start();
  store({make("a", 5)});
  finish_store(outcome::failed, {errc::no_space, "full"});
  auto a = send<bool>(swap_atom_v, guarded_change{make("a", 6), false, 0});
  CAF_CHECK(*a && !**a);
  auto b = send<bool>(swap_atom_v, guarded_change{make("b", 6), false, 0});
  CAF_CHECK(!*b);
  CAF_CHECK_EQUAL(task<swap_job>(writer()).changes.size(), 1u);
  task<swap_job>(writer()).outcomes = {redis_store::swap_outcome::made};
  finish(writer());
  CAF_CHECK_EQUAL(***b, true);
}

CAF_TEST(a purge goes in steps and lets writes in between) {
  start();
  selector all;
  auto n = send<std::uint64_t>(purge_atom_v, all, version_t{9});
  auto a = store({make("a", 10)});
  CAF_CHECK_EQUAL(task<purge_job>(writer()).up_to, 9u);
  task<purge_job>(writer()).page = {3, "17", false, {}};
  finish(writer());
  finish_store(outcome::stored);
  CAF_CHECK(*a);
  CAF_CHECK_EQUAL(task<purge_job>(writer()).cursor, "17");
  task<purge_job>(writer()).page = {4, "", true, {}};
  finish(writer());
  CAF_CHECK_EQUAL(***n, 7u);
}

CAF_TEST(a count is a walk over pages) {
  start();
  auto n = send<std::uint64_t>(count_atom_v, tenant_id{3});
  CAF_CHECK_EQUAL(task<list_job>(reader()).wanted.tenant, 3u);
  task<list_job>(reader()).page = {keys{"a", "b"}, "5", false};
  auto a = fetch("a");
  finish(reader());
  finish_fetch(1);
  CAF_CHECK_EQUAL(task<list_job>(reader()).wanted.cursor, "5");
  task<list_job>(reader()).page = {keys{"c"}, "", true};
  finish(reader());
  CAF_CHECK_EQUAL(***n, 3u);
}

CAF_TEST(a bad cursor is the fault of who sent it) {
  start();
  auto why = ask_failure<key_page>(uut, list_atom_v,
                                   list_request{0, "*", "nonsense", 10});
  CAF_CHECK(why.code == errc::invalid_argument);
  CAF_CHECK(reader().jobs.empty());
  CAF_CHECK(up());
}

CAF_TEST(past the bound on what waits there are errors) {
  opts.max_queued = 3;
  start();
  auto a = fetch("a");
  auto b = fetch("b1", "b2");
  auto c = fetch("c1", "c2");
  CAF_CHECK(all_failed(c, errc::overloaded));
  store({make("w")});
  auto d = store({make("d1", 5), make("d2", 5)});
  CAF_CHECK(store_failed(d, errc::overloaded));
  // What could not be written is made up for.
  CAF_CHECK_EQUAL(status().state, "degraded");
  finish_store(outcome::stored);
  finish_fetch(1);
  finish_fetch(1);
  pass(opts.breaker_open_for);
  CAF_CHECK_EQUAL(task<replay_job>(writer()).changes.puts.size(), 2u);
  finish(writer());
  CAF_CHECK(up());
  CAF_CHECK_EQUAL(figure("replayed"), 2u);
}

// -- figures and end ----------------------------------------------------------

CAF_TEST(every lookup is a hit or a miss or an error) {
  start();
  fetch("a", "b");
  auto& job = task<fetch_job>(reader());
  job.found = {lookup::found({}, tier_kind::redis),
               lookup::failed(errc::corrupt)};
  finish(reader());
  fetch("c");
  task<fetch_job>(reader()).found = {lookup::missed()};
  finish(reader());
  break_it();
  fetch("d");
  auto x = status();
  CAF_CHECK_EQUAL(x.lookups, 5u);
  CAF_CHECK_EQUAL(x.hits, 1u);
  CAF_CHECK_EQUAL(x.misses, 1u);
  CAF_CHECK_EQUAL(x.errors, 3u);
  CAF_CHECK(x.tier == tier_kind::redis);
  CAF_CHECK_EQUAL(x.fetch_latency.count(), 4u);
  self->send(uut, reset_atom_v);
  consume_messages();
  x = status();
  CAF_CHECK_EQUAL(x.lookups, 0u);
  CAF_CHECK_EQUAL(x.extra["breaker_opened"], 0u);
  CAF_CHECK_EQUAL(x.state, "down");
}

CAF_TEST(at the end everything held is answered) {
  start();
  auto a = fetch("a");
  auto b = fetch("b");
  auto w = store({make("w")});
  auto r = remove("r", 1);
  auto p = send<std::uint64_t>(purge_atom_v, selector{}, version_t{1});
  stop(uut);
  CAF_CHECK(all_failed(a, errc::shutting_down));
  CAF_CHECK(all_failed(b, errc::shutting_down));
  CAF_CHECK(store_failed(w, errc::shutting_down));
  CAF_REQUIRE(*r && *p);
  CAF_CHECK((**r)->why.code == errc::shutting_down);
  CAF_CHECK(to_failure((**p).error()).code == errc::shutting_down);
}

CAF_TEST(a bad url is refused) {
  opts.url = "rediss://u:secret@h";
  auto x = spawn_redis_tier(sys, opts, {}, clock());
  CAF_REQUIRE(!x);
  CAF_CHECK(x.error().code == errc::invalid_argument);
  CAF_CHECK(x.error().detail.find("TLS") != std::string::npos);
  CAF_CHECK(x.error().detail.find("secret") == std::string::npos);
}

CAF_TEST_FIXTURE_SCOPE_END()
