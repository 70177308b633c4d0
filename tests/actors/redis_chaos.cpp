// The tier through a proxy that harms what passes, under load, for 15 seconds
// or as long as TERRACE_CHAOS_SECONDS says, shared by the two tests; the seed
// is TERRACE_CHAOS_SEED or 1. Time is real here.
//
// What must hold whatever happens to the bytes: every request is answered
// within the hard limit; a hit is a value that was written under that very key,
// in full; afterwards the tier recovers, and nothing is left open. As long as
// what the server is sent is not falsified, more holds: a look-up finds nothing
// older than what was answered before, not even if that answer was a failure,
// and in the end the newest version of every key is in Redis. A falsified
// request may write under another key, which nobody can notice but by the
// checksum, and may leave a damaged record that claims to be newer than all
// others.
#define CAF_SUITE actors.redis_chaos

#define FAIL CAF_FAIL
#include <caf/test/dsl.hpp>

#include "actors/log.hpp"
#include "actors/redis_tier.hpp"
#include "tests/support/chaos_load.hpp"
#include "tests/support/chaos_proxy.hpp"
#include "tests/support/redis_server.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>

using namespace terrace;
using namespace std::chrono_literals;

namespace {

using test::chaos_proxy;
using test::redis_server;
using namespace test::chaos;

constexpr auto deadline = 30s;

struct config : caf::actor_system_config {
  config() {
    add_terrace_types(*this);
    set("scheduler.policy", caf::atom("sharing"));
  }
};

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  auto* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::size_t open_files() {
  std::size_t result = 0;
  for ([[maybe_unused]] auto& x :
       std::filesystem::directory_iterator{"/proc/self/fd"})
    ++result;
  return result;
}

std::size_t resident_bytes() {
  std::ifstream in{"/proc/self/statm"};
  std::size_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Sanitizers keep freed memory for a while.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t allowed_growth = 1u << 30;
#else
constexpr std::size_t allowed_growth = 24u << 20;
#endif

struct fixture {
  config cfg;
  caf::actor_system sys{cfg};
  caf::scoped_actor self{sys};
  redis_server server;
  std::uint64_t seed = number_of("TERRACE_CHAOS_SEED", 1);
  chaos_proxy proxy{server.socket_path(), seed};
  redis_options opts;
  tier_handle tier;
  load state;
  std::size_t files_before = 0;

  /// Half of the time for each test.
  std::chrono::milliseconds length{number_of("TERRACE_CHAOS_SECONDS", 15)
                                   * 500};

  /// As the tier's own bound on a job, see `longest_time` in
  /// actors/redis_link.cpp, with as many keys as a pipeline takes, and a second
  /// for a busy machine.
  clock_type::duration hard_limit() const {
    return std::max<milliseconds>(
             1s, 10 * (opts.connect_timeout + opts.command_timeout))
           + milliseconds{opts.max_batch} + 1s;
  }

  fixture() {
    opts.url = proxy.url();
    opts.breaker_open_for = 50ms;
    // Enough for everything: past it, old versions could not be told.
    opts.max_missed = 10 * key_count;
    files_before = open_files();
  }

  ~fixture() {
    if (tier.actor)
      self->send_exit(tier.actor, caf::exit_reason::user_shutdown);
  }

  tier_status status() {
    tier_status result;
    self->request(tier.actor, deadline, status_atom_v)
      .receive([&](tier_status& x) { result = std::move(x); },
               [&](caf::error& x) { CAF_FAIL(sys.render(x)); });
    return result;
  }

  template <class F>
  void await(const char* what, F done) {
    auto end = clock_type::now() + deadline;
    while (!done()) {
      if (clock_type::now() > end)
        CAF_FAIL("never " << what << ", " << status().reason);
      self->receive(caf::after(2ms) >> [] {});
    }
  }

  /// Runs the load for `length`; the test fails if an answer is wrong or late.
  void run(unsigned modes, bool strict) {
    auto x = spawn_redis_tier(sys, opts, {}, system_now_ms);
    if (!x)
      CAF_FAIL(to_string(x.error()));
    tier = *std::move(x);
    CAF_MESSAGE("seed " << seed << ", " << length.count() << " ms");
    auto driver = sys.spawn([&](caf::stateful_actor<load_state>* me) {
      return me->state.begin(tier.actor, &state, strict, seed);
    });
    auto begin = clock_type::now();
    std::size_t warm = 0;
    log_of("redis").set_level(spdlog::level::err);
    proxy.rage(modes, 150);
    while (clock_type::now() - begin < length) {
      self->receive(caf::after(20ms) >> [] {});
      check_load();
      if (warm == 0 && clock_type::now() - begin > length / 3)
        warm = resident_bytes();
    }
    auto grown = resident_bytes();
    CAF_MESSAGE("resident after a third of the time: "
                << (warm >> 10) << " KiB, at the end: " << (grown >> 10));
    CAF_CHECK(grown < warm + allowed_growth);
    proxy.calm();
    {
      std::lock_guard guard{state.mutex};
      state.stop = true;
    }
    await("the end of the load", [this] {
      check_load();
      std::lock_guard guard{state.mutex};
      return state.open == 0;
    });
    self->send_exit(driver, caf::exit_reason::user_shutdown);
    await("up", [this] {
      auto x = status();
      return x.state == "up" && x.extra["missed_entries"] == 0;
    });
    report();
  }

  void check_load() {
    std::lock_guard guard{state.mutex};
    if (!state.seen.wrong.empty())
      CAF_FAIL(state.seen.wrong);
    if (state.open > 0 && clock_type::now() - state.last_answer > hard_limit())
      CAF_FAIL(state.open << " requests hang");
  }

  void report() {
    auto& seen = state.seen;
    CAF_CHECK(seen.longest < hard_limit());
    std::string errors;
    std::uint64_t count = 0;
    for (auto& [code, n] : seen.errors) {
      errors.append(" ").append(to_string(code)).append(" ");
      errors += std::to_string(n);
      count += n;
    }
    CAF_MESSAGE("look-ups " << seen.lookups << ": hits " << seen.hits
                            << ", misses " << seen.misses << ", errors"
                            << errors);
    CAF_MESSAGE("writes: stored " << seen.stored << ", refused " << seen.refused
                                  << ", failed " << seen.failed);
    CAF_MESSAGE("longest answer " << seen.longest / 1ms << " ms");
    auto x = status();
    CAF_CHECK_EQUAL(x.lookups, seen.lookups);
    CAF_CHECK_EQUAL(x.hits, seen.hits);
    CAF_CHECK_EQUAL(x.errors, count);
    CAF_CHECK_EQUAL(x.hits + x.misses + x.errors, x.lookups);
    CAF_CHECK_EQUAL(x.extra["missed_overflows"], 0u);
    std::string figures;
    for (auto& [name, n] : x.extra)
      figures.append(" ").append(name).append(" ").append(std::to_string(n));
    CAF_MESSAGE("figures:" << figures);
    std::string uses;
    for (auto n : proxy.uses())
      uses.append(" ").append(std::to_string(n));
    CAF_MESSAGE("harm by kind:" << uses);
    CAF_CHECK(x.extra["reconnects"] > 0);
    CAF_CHECK(seen.hits > 0);
  }

  lookup find(std::size_t i) {
    lookup result;
    self->request(tier.actor, deadline, fetch_atom_v, keys{key(i)})
      .receive([&](lookups& x) { result = std::move(x.at(0)); },
               [&](caf::error& x) { CAF_FAIL(sys.render(x)); });
    return result;
  }

  /// Writes every key once more and finds it. Returns how many could not be
  /// written because the server holds a damaged record that looks newer.
  std::size_t write_all_again() {
    std::size_t blocked = 0;
    for (std::size_t i = 0; i < key_count; ++i) {
      auto version = ++state.keys[i].attempted;
      auto value = value_of(i, version);
      store_report done;
      self
        ->request(tier.actor, deadline, store_atom_v,
                  entry_batch{{{key(i), {blob::copy(value), version, 0, {}}}}})
        .receive([&](store_report& x) { done = std::move(x); },
                 [&](caf::error& x) { CAF_FAIL(sys.render(x)); });
      auto found = find(i);
      if (done.stored == 1 && found.hit())
        CAF_CHECK(found.data.value.view() == value);
      else if (done.refused == 1 && found.code == errc::corrupt)
        ++blocked;
      else
        CAF_FAIL("key " << i << ": " << to_string(done.why));
    }
    return blocked;
  }

  /// Ends the tier; everything that was opened for it must be closed.
  void check_files() {
    CAF_CHECK(proxy.connections() <= opts.connections + 1);
    self->send_exit(tier.actor, caf::exit_reason::user_shutdown);
    tier = {};
    await("closed", [this] { return proxy.connections() == 0; });
    await("as many files as before",
          [this] { return open_files() <= files_before; });
  }
};

constexpr unsigned honest_modes = chaos_proxy::delay | chaos_proxy::cut
                                  | chaos_proxy::half_close
                                  | chaos_proxy::corrupt_reply
                                  | chaos_proxy::drop | chaos_proxy::blackhole;

} // namespace

CAF_TEST_FIXTURE_SCOPE(redis_chaos_tests, fixture)

CAF_TEST(nothing wrong or old is found through a bad network) {
  run(honest_modes, true);
  for (std::size_t i = 0; i < key_count; ++i) {
    auto found = find(i);
    auto newest = state.keys[i].attempted;
    if (newest == 0)
      continue;
    if (!found.hit() || found.data.version != newest)
      CAF_ERROR("key " << i << ": not the newest version");
  }
  CAF_CHECK_EQUAL(write_all_again(), 0u);
  check_files();
}

CAF_TEST(nothing wrong is found though requests are falsified) {
  run(honest_modes | chaos_proxy::corrupt_request, false);
  auto blocked = write_all_again();
  CAF_MESSAGE("keys with a damaged record that looks newer: " << blocked);
  CAF_CHECK(blocked < key_count / 4);
  check_files();
}

CAF_TEST_FIXTURE_SCOPE_END()
