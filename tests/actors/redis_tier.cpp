// The tier with workers that the test plays itself: order, merging, the
// breaker, recovery, limits. Real servers are in redis_outage.cpp.
#define CAF_SUITE actors.redis_tier

#include "tests/support/actor_fixture.hpp"
#include "tests/support/topology.hpp"

#include "actors/redis_tier.hpp"

#include <deque>

using namespace terrace;
using namespace terrace::test;
using namespace std::chrono_literals;

namespace {

using outcome = redis_store::put_outcome;
using gone = redis_store::remove_outcome;

const failure refused{errc::unavailable, "Connection refused"};
const failure late{errc::timeout, "no answer in time"};

/// What a worker was given and has not given back.
struct held_job {
  redis_job_ptr job;
  caf::typed_response_promise<redis_job_ptr> promise;
};

/// A worker that gives a job back when it is told to.
using fake_worker_handle
  = redis_worker_actor::extend<caf::reacts_to<flush_atom>>;

/// The same as the test sees it.
struct fake_worker {
  std::string client_name;
  fake_worker_handle actor;
  std::deque<held_job> jobs;
};

using fake_worker_ptr = std::shared_ptr<fake_worker>;

fake_worker_handle::behavior_type
fake_worker_actor(fake_worker_handle::pointer self, fake_worker_ptr x) {
  return {
    [=](redis_job_ptr job) -> caf::result<redis_job_ptr> {
      auto promise = self->make_response_promise<redis_job_ptr>();
      x->jobs.push_back({job, promise});
      return promise;
    },
    [=](flush_atom) {
      auto held = std::move(x->jobs.front());
      x->jobs.pop_front();
      held.promise.deliver(held.job);
    },
  };
}

std::string key(std::string_view name) {
  return qualify(0, name);
}

entry make(std::string_view name, version_t version = 1) {
  return {key(name), {blob::copy("value"), version, 0, {}}};
}

entry_batch batch(entries xs) {
  return entry_batch{std::move(xs)};
}

struct fixture : actor_fixture {
  redis_options opts;
  std::shared_ptr<tier_health> health = std::make_shared<tier_health>();
  std::shared_ptr<redis_topology> topology = make_topology(opts, opts.url);
  std::vector<fake_worker_ptr> workers; ///< writer, then readers
  redis_tier_actor uut;

  fixture() {
    opts.connections = 1;
    opts.health_interval = milliseconds{0};
    opts.max_batch = 4;
  }

  ~fixture() {
    if (uut)
      stop(uut);
  }

  /// Starts the tier and lets its first probe succeed.
  void start() {
    start_unprobed();
    finish(reader());
  }

  void start_unprobed() {
    redis_tier_setup setup;
    setup.opts = opts;
    setup.where = "redis://test";
    setup.coder = std::make_shared<codec>(compression_options{});
    setup.figures = std::make_shared<redis_figures>();
    setup.topology = topology;
    setup.health = health;
    setup.now = clock();
    setup.spawn_worker = [this](const char* client_name) {
      auto x = std::make_shared<fake_worker>();
      x->client_name = client_name;
      x->actor = sys.spawn(fake_worker_actor, x);
      workers.push_back(x);
      return x->actor;
    };
    uut = sys.spawn(redis_tier, std::move(setup));
    consume_messages();
  }

  fake_worker& writer() {
    return *workers[0];
  }

  fake_worker& reader() {
    return *workers[1];
  }

  /// The task of type `T` that `x` is busy with; there must be exactly one job.
  template <class T>
  T& task(fake_worker& x) {
    CAF_REQUIRE_EQUAL(x.jobs.size(), 1u);
    auto* result = std::get_if<T>(&x.jobs.front().job->task);
    if (!result)
      CAF_FAIL("another kind of job");
    return *result;
  }

  /// Gives the job of `x` back.
  void finish(fake_worker& x, failure why = {}) {
    CAF_REQUIRE(!x.jobs.empty());
    auto& job = *x.jobs.front().job;
    if (auto* removed = std::get_if<remove_job>(&job.task); removed && why)
      removed->outcomes.assign(removed->gone.size(), gone::failed);
    if (auto* replay = std::get_if<replay_job>(&job.task); replay && why)
      replay->changes = {};
    job.why = std::move(why);
    caf::anon_send(x.actor, flush_atom_v);
    consume_messages();
  }

  /// Ends a replay in which one of several servers did not take `failed`.
  void finish_replay_without(std::string_view failed) {
    auto& changes = task<replay_job>(writer()).changes;
    std::erase_if(changes.puts,
                  [&](const entry& x) { return x.key == key(failed); });
    finish_locally(writer());
  }

  /// Gives the job of `x` back as it is, with the failure of one server.
  void finish_locally(fake_worker& x) {
    CAF_REQUIRE(!x.jobs.empty());
    x.jobs.front().job->local = true;
    x.jobs.front().job->why = refused;
    caf::anon_send(x.actor, flush_atom_v);
    consume_messages();
  }

  /// Ends a store job with the same outcome for every entry.
  void finish_store(outcome what, failure why = {}) {
    auto& job = task<store_job>(writer());
    std::size_t n = 0;
    for (auto& xs : job.batches)
      n += xs.get().size();
    job.outcomes.assign(n, what);
    finish(writer(), std::move(why));
  }

  /// Ends a fetch job: hits with `version`, or failures.
  void finish_fetch(version_t version, failure why = {}) {
    auto& job = task<fetch_job>(reader());
    for (auto& x : job.wanted)
      job.found.push_back(
        why ? lookup::failed(why.code)
            : lookup::found({blob::copy(x), version, 0, {}}, tier_kind::redis));
    finish(reader(), std::move(why));
  }

  /// Sends a request whose answer is looked at later.
  template <class R, class... Ts>
  auto send(Ts... xs) {
    auto result = std::make_shared<std::optional<caf::expected<R>>>();
    sys.spawn([=, to = uut](caf::event_based_actor* client) {
      client->request(to, caf::infinite, xs...)
        .then([=](R& x) { result->emplace(std::move(x)); },
              [=](caf::error& x) { result->emplace(std::move(x)); });
    });
    consume_messages();
    return result;
  }

  template <class... Ts>
  auto fetch(Ts... names) {
    return send<lookups>(fetch_atom_v, keys{key(names)...});
  }

  auto store(entries xs) {
    return send<store_report>(store_atom_v, batch(std::move(xs)));
  }

  auto promote(entries xs) {
    return send<store_report>(promote_atom_v, batch(std::move(xs)));
  }

  auto remove(std::string_view name, version_t version) {
    return send<remove_report>(remove_atom_v, removals{{key(name), version}});
  }

  /// One of the figures beyond the common ones, zero if it is not there.
  std::uint64_t figure(const char* name) {
    auto x = status();
    return x.extra[name];
  }

  tier_status status() {
    return ask<tier_status>(uut, status_atom_v);
  }

  bool up() {
    return status().state == "up" && health->readable;
  }

  /// Opens the breaker by a look-up that times out.
  void break_it() {
    fetch("x");
    finish_fetch(0, late);
    CAF_REQUIRE_EQUAL(status().state, "down");
  }

  void pass(caf::timespan x) {
    advance_time(x);
    consume_messages();
  }
};

/// True if every look-up failed with `code`.
template <class Pending>
bool all_failed(const Pending& x, errc code) {
  if (!*x || !**x)
    return false;
  auto& xs = ***x;
  return std::all_of(xs.begin(), xs.end(), [&](const lookup& y) {
    return y.what == lookup::outcome::error && y.code == code;
  });
}

template <class Pending>
bool store_failed(const Pending& x, errc code) {
  return *x && **x && (***x).failed > 0 && (***x).why.code == code;
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(redis_tier_tests, fixture)

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
