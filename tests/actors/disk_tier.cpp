#define CAF_SUITE actors.disk_tier

#include "tests/support/actor_fixture.hpp"
#include "tests/support/no_writes.hpp"
#include "tests/support/temp_dir.hpp"

#include "actors/disk_tier.hpp"

#include <filesystem>

using namespace terrace;
using namespace std::chrono_literals;

namespace {

entry make(std::string_view name, version_t version,
           std::string_view value = "value") {
  return {qualify(0, name), {blob::copy(value), version, 0, {}}};
}

keys named(std::initializer_list<std::string_view> names) {
  keys result;
  for (auto x : names)
    result.push_back(qualify(0, x));
  return result;
}

/// Runs the whole tier, its readers and its writer included, on the
/// deterministic scheduler.
struct fixture : test::actor_fixture {
  test::temp_dir dir;
  disk_options opts;
  std::shared_ptr<tier_health> health = std::make_shared<tier_health>();
  tier_actor uut;
  std::weak_ptr<lmdb_store> store;

  fixture() {
    opts.path = dir.path();
  }

  ~fixture() {
    close();
  }

  void open() {
    auto x = lmdb_store::open(opts, {}, opts.path);
    if (!x)
      CAF_FAIL("cannot open: " << to_string(x.error()));
    lmdb_store_ptr ptr{*std::move(x)};
    store = ptr;
    uut = caf::actor_cast<tier_actor>(sys.spawn(
      disk_tier, disk_setup{opts, std::move(ptr), health, clock(), false}));
    consume_messages();
  }

  void close() {
    if (uut)
      stop(uut);
    CAF_CHECK(store.expired());
  }

  store_report put(entries xs) {
    return ask<store_report>(uut, store_atom_v, entry_batch{std::move(xs)});
  }

  std::vector<bool> remove(std::string_view name, version_t version) {
    return ask<remove_report>(uut, remove_atom_v,
                              removals{{qualify(0, name), version}})
      .existed;
  }

  /// Values, "-" for misses, names of error codes.
  std::string get(std::initializer_list<std::string_view> names) {
    std::string result;
    for (auto& x : ask<lookups>(uut, fetch_atom_v, named(names))) {
      if (!result.empty())
        result += ' ';
      if (x.what == lookup::outcome::error)
        result += to_string(x.code);
      else
        result += x.hit() ? x.data.value.view() : "-";
    }
    return result;
  }

  tier_status status() {
    return ask<tier_status>(uut, status_atom_v);
  }

  std::uint64_t extra(const std::string& name) {
    return status().extra[name];
  }

  /// What a node would find that is started after this one was killed now.
  std::uint64_t count_after_kill() {
    test::temp_dir copy;
    std::filesystem::copy_file(dir.path() + "/data.mdb",
                               copy.path() + "/data.mdb");
    auto left = lmdb_store::open(opts, {}, copy.path());
    CAF_REQUIRE(left);
    auto result = (*left)->count(0);
    CAF_REQUIRE(result);
    return *result;
  }

  std::uint64_t count() {
    return ask<std::uint64_t>(uut, count_atom_v, tenant_id{0});
  }

  /// Lets time pass.
  void wait(milliseconds x) {
    now_ms += x.count();
    sched.advance_time(x);
    consume_messages();
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(disk_tier_tests, fixture)

CAF_TEST(a write is acknowledged and seen before it is committed) {
  open();
  CAF_CHECK_EQUAL(put({make("a", 1), make("b", 2)}).stored, 2u);
  CAF_CHECK_EQUAL(extra("pending_entries"), 2u);
  CAF_CHECK_EQUAL(extra("commits"), 0u);
  CAF_CHECK_EQUAL(get({"a", "x", "b"}), "value - value");
  CAF_CHECK_EQUAL(count(), 2u);
}

CAF_TEST(a commit follows within the interval) {
  open();
  put({make("a", 1)});
  wait(opts.commit_interval / 2 - 1ms);
  CAF_CHECK_EQUAL(extra("commits"), 0u);
  wait(1ms);
  CAF_CHECK_EQUAL(extra("commits"), 1u);
  CAF_CHECK_EQUAL(extra("pending_entries"), 0u);
  CAF_CHECK_EQUAL(get({"a"}), "value");
  wait(10 * opts.commit_interval);
  CAF_CHECK_EQUAL(extra("commits"), 1u); // nothing new, nothing written
}

CAF_TEST(a commit begins at once when enough waits) {
  opts.commit_size = 1000;
  open();
  put({make("a", 1, std::string(1000, 'x'))});
  CAF_CHECK_EQUAL(extra("commits"), 1u);
}

CAF_TEST(every commit means that the answer waits for the commit) {
  opts.durability = "every-commit";
  open();
  CAF_CHECK_EQUAL(put({make("a", 1)}).stored, 1u);
  CAF_CHECK_EQUAL(extra("commits"), 1u);
  CAF_CHECK_EQUAL(extra("pending_entries"), 0u);
  CAF_CHECK_EQUAL(remove("a", 2), std::vector<bool>{true});
  CAF_CHECK_EQUAL(extra("commits"), 2u);
  // Nothing is stored, so there is nothing to wait for.
  CAF_CHECK_EQUAL(put({make("b", 3, "")}).stored, 1u);
  CAF_CHECK_EQUAL(put({make("b", 2, "")}).refused, 1u);
}

CAF_TEST(removals report what was there wherever it is) {
  open();
  put({make("disk", 1)});
  wait(opts.commit_interval);
  put({make("memory", 2)});
  CAF_CHECK_EQUAL(remove("disk", 3), std::vector<bool>{true});
  CAF_CHECK_EQUAL(remove("memory", 4), std::vector<bool>{true});
  CAF_CHECK_EQUAL(remove("disk", 5), std::vector<bool>{false});
  CAF_CHECK_EQUAL(remove("nowhere", 6), std::vector<bool>{false});
  CAF_CHECK_EQUAL(get({"disk", "memory"}), "- -");
  CAF_CHECK_EQUAL(count(), 0u);
}

CAF_TEST(promotions give way to what is on disk) {
  open();
  put({make("a", 5, "mine")});
  wait(opts.commit_interval);
  auto report = ask<store_report>(
    uut, promote_atom_v,
    entry_batch{entries{make("a", 9, "other"), make("b", 1, "other")}});
  CAF_CHECK_EQUAL(report.stored, 1u);
  CAF_CHECK_EQUAL(report.refused, 1u);
  CAF_CHECK_EQUAL(get({"a", "b"}), "mine other");
}

CAF_TEST(changes are handled in the order in which they arrive) {
  open();
  put({make("a", 1, "old")});
  wait(opts.commit_interval);
  // The promotion has to ask a reader; the others must not overtake it.
  auto promoted = self->request(uut, caf::infinite, promote_atom_v,
                                entry_batch{entries{make("b", 2, "2")}});
  auto stored = self->request(uut, caf::infinite, store_atom_v,
                              entry_batch{entries{make("b", 3, "3")}});
  auto removed = self->request(uut, caf::infinite, remove_atom_v,
                               removals{{qualify(0, "b"), 4}});
  consume_messages();
  auto fail = [this](caf::error& x) { CAF_FAIL(sys.render(x)); };
  promoted.receive([](store_report& x) { CAF_CHECK_EQUAL(x.stored, 1u); },
                   fail);
  stored.receive([](store_report& x) { CAF_CHECK_EQUAL(x.stored, 1u); }, fail);
  removed.receive(
    [](remove_report& x) {
      CAF_CHECK_EQUAL(x.existed, std::vector<bool>{true});
    },
    fail);
  CAF_CHECK_EQUAL(get({"a", "b"}), "old -");
}

CAF_TEST(a look up does not overtake a change of its own key) {
  open();
  put({make("changed", 1, "old"), make("removed", 2, "old"),
       make("other", 3, "old")});
  wait(opts.commit_interval);
  // The promotion has to ask a reader; what comes behind it waits.
  auto promoted = self->request(uut, caf::infinite, promote_atom_v,
                                entry_batch{entries{make("b", 1)}});
  auto stored = self->request(uut, caf::infinite, store_atom_v,
                              entry_batch{entries{make("changed", 4, "new")}});
  auto removed = self->request(uut, caf::infinite, remove_atom_v,
                               removals{{qualify(0, "removed"), 5}});
  auto found = self->request(uut, caf::infinite, fetch_atom_v,
                             named({"changed", "removed", "other"}));
  auto purged = self->request(uut, caf::infinite, purge_atom_v,
                              selector{selector::kind::tenant, 0, ""},
                              version_t{5});
  auto after = self->request(uut, caf::infinite, fetch_atom_v,
                             named({"changed", "other"}));
  consume_messages();
  auto fail = [this](caf::error& x) { CAF_FAIL(sys.render(x)); };
  auto values = [](const lookups& xs) {
    std::string result;
    for (auto& x : xs)
      result += x.hit() ? std::string{x.data.value.view()} + ' ' : "- ";
    return result;
  };
  promoted.receive([](store_report&) {}, fail);
  stored.receive([](store_report& x) { CAF_CHECK_EQUAL(x.stored, 1u); }, fail);
  removed.receive([](remove_report&) {}, fail);
  found.receive([&](lookups& xs) { CAF_CHECK_EQUAL(values(xs), "new - old "); },
                fail);
  purged.receive([](std::uint64_t n) { CAF_CHECK_EQUAL(n, 3u); }, fail);
  after.receive([&](lookups& xs) { CAF_CHECK_EQUAL(values(xs), "- - "); },
                fail);
}

CAF_TEST(older versions are refused wherever the newer one is) {
  open();
  put({make("disk", 10, "new"), make("memory", 11, "new")});
  wait(opts.commit_interval);
  put({make("memory", 12, "newer")});
  CAF_CHECK_EQUAL(put({make("disk", 9, "old")}).refused, 1u);
  CAF_CHECK_EQUAL(put({make("memory", 11, "old")}).refused, 1u);
  CAF_CHECK_EQUAL(get({"disk", "memory"}), "new newer");
}

CAF_TEST(writers wait while too much is pending) {
  opts.max_pending_size = 10'000;
  open();
  for (int i = 0; i < 20; ++i)
    CAF_CHECK_EQUAL(
      put({make("k" + std::to_string(i), static_cast<version_t>(i) + 1,
                std::string(4000, 'x'))})
        .stored,
      1u);
  CAF_CHECK_LESS_OR_EQUAL(extra("pending_bytes"), 15'000u);
  CAF_CHECK_GREATER(extra("commits"), 4u);
  CAF_CHECK_EQUAL(count(), 20u);
}

CAF_TEST(purges and lists see what is staged and what is on disk) {
  open();
  put({make("user:1", 1), make("item:1", 2)});
  wait(opts.commit_interval);
  put({make("user:2", 3)});
  auto page = ask<key_page>(uut, list_atom_v, list_request{0, "user:*", "", 9});
  CAF_CHECK(page.done);
  CAF_CHECK_EQUAL(page.found.size(), 2u);
  selector users{selector::kind::prefix, 0, "user:"};
  auto n = ask<std::uint64_t>(uut, purge_atom_v, users, version_t{9});
  CAF_CHECK_EQUAL(n, 2u);
  CAF_CHECK_EQUAL(get({"user:1", "user:2", "item:1"}), "- - value");
  CAF_CHECK_EQUAL(count(), 1u);
}

CAF_TEST(every commit means that the answer to a purge waits for it) {
  opts.durability = "every-commit";
  open();
  entries xs;
  for (int i = 0; i < 1000; ++i) // enough for the journal
    xs.push_back(make("k" + std::to_string(i), static_cast<version_t>(i) + 1));
  auto stored = self->request(uut, caf::infinite, store_atom_v,
                              entry_batch{std::move(xs)});
  auto purged = self->request(uut, caf::infinite, purge_atom_v,
                              selector{selector::kind::tenant, 0, ""},
                              version_t{1000});
  auto fail = [this](caf::error& x) { CAF_FAIL(sys.render(x)); };
  while (!self->has_next_message())
    CAF_REQUIRE(sched.try_run_once());
  stored.receive([](store_report& x) { CAF_CHECK_EQUAL(x.stored, 1000u); },
                 fail);
  CAF_CHECK_EQUAL(count_after_kill(), 1000u);
  while (!self->has_next_message())
    CAF_REQUIRE(sched.try_run_once());
  purged.receive([](std::uint64_t n) { CAF_CHECK_EQUAL(n, 1000u); }, fail);
  CAF_CHECK_EQUAL(count_after_kill(), 0u);
}

CAF_TEST(a purge that cannot be written hides and is written later) {
  open();
  put({make("tree", 1)});
  wait(opts.commit_interval);
  put({make("staged", 2)});
  {
    test::no_writes limit;
    ask_failure<std::uint64_t>(
      uut, purge_atom_v, selector{selector::kind::tenant, 0, ""}, version_t{2});
    CAF_CHECK_EQUAL(get({"tree", "staged"}), "- -");
    wait(opts.sweep_interval);
    CAF_CHECK_EQUAL(status().state, "degraded");
    CAF_CHECK_EQUAL(get({"tree", "staged"}), "- -");
  }
  CAF_CHECK_EQUAL(count_after_kill(), 1u);
  wait(10s); // the longest pause after a failure is over
  CAF_CHECK_EQUAL(status().state, "up");
  CAF_CHECK_EQUAL(get({"tree", "staged"}), "- -");
  CAF_CHECK_EQUAL(count_after_kill(), 0u);
}

CAF_TEST(expired entries are swept) {
  open();
  auto x = make("a", 1);
  x.data.expires_ms = now_ms + 500;
  put({x, make("b", 2)});
  wait(opts.commit_interval);
  CAF_CHECK_EQUAL(status().entries, 2u);
  wait(opts.sweep_interval);
  CAF_CHECK_EQUAL(status().entries, 1u);
  CAF_CHECK_EQUAL(status().expirations, 1u);
}

CAF_TEST(outcomes partition the lookups and a reset clears them) {
  open();
  put({make("a", 1)});
  wait(opts.commit_interval);
  get({"a", "b", "c"});
  put({make("d", 2)});
  get({"d"});
  auto x = status();
  CAF_CHECK_EQUAL(x.tier, tier_kind::disk);
  CAF_CHECK_EQUAL(x.state, "up");
  CAF_CHECK_EQUAL(x.lookups, 4u);
  CAF_CHECK_EQUAL(x.hits, 2u);
  CAF_CHECK_EQUAL(x.misses, 2u);
  CAF_CHECK_EQUAL(x.errors, 0u);
  CAF_CHECK_EQUAL(x.stores, 2u);
  CAF_CHECK_EQUAL(x.fetch_latency.count(), 2u);
  caf::anon_send(uut, reset_atom_v);
  consume_messages();
  x = status();
  CAF_CHECK_EQUAL(x.lookups, 0u);
  CAF_CHECK_EQUAL(x.stores, 0u);
  CAF_CHECK_EQUAL(x.extra["commits"], 0u);
  CAF_CHECK_EQUAL(x.entries, 1u); // a gauge
  CAF_CHECK_EQUAL(x.extra["pending_entries"], 1u);
}

CAF_TEST(an orderly end commits and lets the next start find everything) {
  open();
  entries xs;
  for (int i = 0; i < 1000; ++i)
    xs.push_back(make("k" + std::to_string(i), static_cast<version_t>(i) + 1));
  put(std::move(xs));
  close();
  open();
  CAF_CHECK_EQUAL(get({"k0", "k999"}), "value value");
  CAF_CHECK_EQUAL(count(), 1000u);
  // What was left in the journal reaches the tree without further writes.
  wait(opts.commit_interval);
  CAF_CHECK_EQUAL(status().entries, 1000u);
  CAF_CHECK_EQUAL(extra("journal_entries"), 0u);
}

CAF_TEST(whoever waits at the end is answered) {
  opts.durability = "every-commit";
  open();
  put({make("a", 1)});
  auto on_disk = self->request(uut, caf::infinite, promote_atom_v,
                               entry_batch{entries{make("b", 2)}});
  auto behind = self->request(uut, caf::infinite, store_atom_v,
                              entry_batch{entries{make("c", 3)}});
  auto read = self->request(uut, caf::infinite, fetch_atom_v, named({"a"}));
  auto purge = self->request(uut, caf::infinite, purge_atom_v, selector{},
                             version_t{1});
  sched.run_once(); // the promotion has asked a reader
  self->send_exit(uut, caf::exit_reason::user_shutdown);
  consume_messages();
  auto fail = [this](caf::error& x) {
    CAF_CHECK_EQUAL(to_failure(x).code, errc::shutting_down);
  };
  auto check = [](store_report& x) {
    CAF_CHECK_EQUAL(x.stored + x.failed, 1u);
    CAF_CHECK(x.failed == 0 || x.why.code == errc::shutting_down);
  };
  on_disk.receive(check, fail);
  behind.receive(check, fail);
  read.receive([](lookups& xs) { CAF_CHECK_EQUAL(xs.size(), 1u); }, fail);
  purge.receive([](std::uint64_t) {}, fail);
  CAF_CHECK(!health->readable.load());
}

CAF_TEST_FIXTURE_SCOPE_END()

// -- with threads -------------------------------------------------------------

CAF_TEST(the tier runs on threads of its own and ends with the system) {
  test::temp_dir dir;
  disk_options opts;
  std::uint64_t found = 0;
  for (auto round : {0, 1}) {
    test::actor_config cfg;
    caf::actor_system sys{cfg};
    auto tier = spawn_disk_tier(sys, opts, {}, dir.path(), system_now_ms);
    CAF_REQUIRE(tier);
    CAF_CHECK(tier->write_through);
    auto again = spawn_disk_tier(sys, opts, {}, dir.path(), system_now_ms);
    CAF_REQUIRE(!again);
    CAF_CHECK_EQUAL(again.error().code, errc::in_use);
    caf::scoped_actor self{sys};
    auto fail = [&](caf::error& x) { CAF_FAIL(sys.render(x)); };
    keys names;
    entries xs;
    for (int i = 0; i < 20'000; ++i) {
      xs.push_back(
        make("k" + std::to_string(i), static_cast<version_t>(i) + 1));
      names.push_back(xs.back().key);
    }
    if (round == 0)
      self
        ->request(tier->actor, caf::infinite, store_atom_v,
                  entry_batch{std::move(xs)})
        .receive([](store_report& x) { CAF_CHECK_EQUAL(x.stored, 20'000u); },
                 fail);
    self->request(tier->actor, caf::infinite, fetch_atom_v, names)
      .receive(
        [&](lookups& x) {
          for (auto& y : x)
            found += y.hit() ? 1 : 0;
        },
        fail);
    self->send_exit(tier->actor, caf::exit_reason::user_shutdown);
  }
  CAF_CHECK_EQUAL(found, 40'000u);
}
