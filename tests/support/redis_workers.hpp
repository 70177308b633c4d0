/// The Redis tier with workers that the test plays itself: it looks at the jobs
/// they were given and says how each of them ends.
#pragma once

#include "actors/redis_tier.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/entries.hpp"
#include "tests/support/topology.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace terrace::test {

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

inline fake_worker_handle::behavior_type
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

inline entry_batch batch(entries xs) {
  return entry_batch{std::move(xs)};
}

/// The tier over workers that are told when to answer.
struct redis_tier_fixture : actor_fixture {
  using outcome = redis_store::put_outcome;
  using gone = redis_store::remove_outcome;

  const failure refused{errc::unavailable, "Connection refused"};
  const failure late{errc::timeout, "no answer in time"};

  redis_options opts;
  std::shared_ptr<tier_health> health = std::make_shared<tier_health>();
  std::shared_ptr<redis_topology> topology = make_topology(opts, opts.url);
  std::vector<fake_worker_ptr> workers; ///< writer, then readers
  redis_tier_actor uut;

  redis_tier_fixture() {
    opts.connections = 1;
    opts.health_interval = milliseconds{0};
    opts.max_batch = 4;
  }

  ~redis_tier_fixture() {
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

} // namespace terrace::test
