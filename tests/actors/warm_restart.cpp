#define CAF_SUITE actors.warm_restart

#include "tests/support/actor_fixture.hpp"

#include "actors/coordinator.hpp"
#include "actors/memory_tier.hpp"
#include "actors/warm_restart.hpp"
#include "tests/support/fake_tier.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

using namespace terrace;
using namespace terrace::test;

namespace {

/// Two shards of real memory with their coordinators over one fake disk.
struct fixture : actor_fixture {
  static constexpr std::size_t shards = 2;

  temp_dir dir;
  std::string file = dir.path() + "/hot-keys";
  memory_options memory_opts;
  memory_view_ptr view;
  std::vector<memory_tier_actor> memory;
  fake_tier_ptr disk = std::make_shared<fake_tier>();
  tier_actor disk_handle;
  std::shared_ptr<hybrid_clock> versions = std::make_shared<hybrid_clock>();
  std::vector<coordinator_actor> coordinators;
  std::chrono::steady_clock::time_point steady{};
  warm_restart_actor uut;

  fixture() {
    memory_opts.policy = "lfu";
    disk_handle = sys.spawn(fake_tier_actor, disk);
    open();
  }

  ~fixture() {
    close();
    stop(disk_handle);
  }

  /// A node without its warm restart.
  void open() {
    memory_opts.sweep_interval = std::chrono::hours(1);
    view = memory_store::make_view(memory_opts, shards, 5);
    for (std::size_t i = 0; i < shards; ++i) {
      memory.push_back(sys.spawn(memory_tier, memory_opts, std::uint64_t{0},
                                 view, i, clock()));
      coordinator_setup setup;
      setup.view = view;
      setup.tiers = {
        {tier_kind::memory, caf::actor_cast<tier_actor>(memory.back()),
         std::make_shared<tier_health>(), true, 1'000'000},
        {tier_kind::disk, disk_handle, std::make_shared<tier_health>(), true,
         1'000'000},
      };
      setup.clock = versions;
      setup.now = clock();
      coordinators.push_back(sys.spawn(coordinator, std::move(setup)));
    }
    consume_messages();
  }

  /// In the order of a node.
  void close() {
    for (auto& x : coordinators)
      stop(x);
    if (uut)
      stop(uut);
    for (auto& x : memory)
      stop(x);
    coordinators.clear();
    memory.clear();
  }

  void start(std::size_t max_bytes = 1 << 20) {
    warm_restart_setup setup;
    setup.file = file;
    setup.max_bytes = max_bytes;
    setup.view = view;
    setup.memory = memory;
    setup.coordinators = coordinators;
    setup.now = clock();
    setup.steady = [this] { return steady; };
    uut = sys.spawn(warm_restart, std::move(setup));
    consume_messages();
  }

  /// What messages to itself say that are due after a pause.
  void wake() {
    caf::anon_send(uut, wake_atom_v);
    consume_messages();
  }

  void keep() {
    caf::anon_send(uut, tick_atom_v);
    consume_messages();
  }

  static std::string name_of(int i) {
    return "key-" + std::to_string(i);
  }

  static std::string key(std::string_view name) {
    return qualify(0, name);
  }

  std::string in_memory(std::string_view name) {
    auto k = key(name);
    auto pinned = view->pin();
    auto* node = view->peek(pinned, k, view->hash(k), now_ms);
    return node ? std::string{node->bytes()} : "(none)";
  }

  void lay_on_disk(std::string_view name, std::string_view value = "v") {
    disk->held[key(name)] = {blob::copy(value), versions->next(now_ms), 0, {}};
  }

  /// A file of an earlier run with `key-0`, `key-1` …, the hottest first.
  void lay_file(int n, std::uint32_t bytes = 100, std::int64_t expires_ms = 0) {
    hot_keys xs;
    for (int i = 0; i < n; ++i)
      xs.push_back({key(name_of(i)), static_cast<std::uint16_t>(n - i), bytes,
                    expires_ms});
    CAF_REQUIRE(write_hot_keys(file, xs, now_ms - 5000));
  }

  hot_keys kept() {
    auto x = read_hot_keys(file);
    if (!x || !*x)
      return {};
    CAF_CHECK(!(*x)->damage);
    return (*x)->found;
  }

  mutation_result apply(mutation x) {
    auto& to = coordinators[view->shard_of(view->hash(x.key))];
    return ask<mutation_results>(to, apply_atom_v, mutations{std::move(x)})
      .front();
  }

  void set(std::string_view name, std::string_view value = "v") {
    mutation x;
    x.key = key(name);
    x.value = blob::copy(value);
    CAF_CHECK(apply(x).applied);
  }

  void erase(std::string_view name) {
    mutation x;
    x.what = mutation::op::erase;
    x.key = key(name);
    apply(x);
  }

  void read(std::string_view name, int times) {
    auto k = key(name);
    auto pinned = view->pin();
    for (; times > 0; --times)
      view->find(pinned, k, view->hash(k), now_ms);
    // What readers touched is seen by the policy.
    for (auto& x : memory)
      caf::anon_send(x, sweep_atom_v);
    consume_messages();
  }

  /// Lets the disk send the answers it holds back.
  void release() {
    caf::anon_send(disk_handle, reset_atom_v);
    consume_messages();
  }

  std::uint64_t counter(const std::string& name) {
    return ask<actor_status>(uut, status_atom_v).counters.at(name);
  }

  /// Every key of the file has one outcome or is still to have one.
  void check_outcomes() {
    auto xs = ask<actor_status>(uut, status_atom_v).counters;
    CAF_CHECK_EQUAL(xs["preload_found"] + xs["preload_present"]
                      + xs["preload_missing"] + xs["preload_expired"]
                      + xs["preload_unfit"] + xs["preload_failed"]
                      + xs["preload_left"],
                    xs["preload_keys"]);
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(warm_restart_tests, fixture)

// -- keeping ------------------------------------------------------------------

CAF_TEST(the keys are kept in the order of their hotness) {
  for (int i = 0; i < 20; ++i)
    set(name_of(i));
  read(name_of(3), 9);
  read(name_of(7), 6);
  read(name_of(5), 3);
  start();
  CAF_CHECK(kept().empty());
  keep();
  auto xs = kept();
  CAF_REQUIRE_EQUAL(xs.size(), 20u);
  CAF_CHECK_EQUAL(xs[0].key, key(name_of(3)));
  CAF_CHECK_EQUAL(xs[1].key, key(name_of(7)));
  CAF_CHECK_EQUAL(xs[2].key, key(name_of(5)));
  CAF_CHECK_EQUAL(counter("kept_keys"), 20u);
  CAF_CHECK_EQUAL(counter("keeps"), 1u);
  now_ms += 700;
  CAF_CHECK_EQUAL(counter("kept_age_ms"), 700u);
}

CAF_TEST(the end of a node keeps what is in memory then) {
  start();
  for (int i = 0; i < 5000; ++i) // several steps for each shard
    set(name_of(i));
  close();
  CAF_CHECK_EQUAL(kept().size(), 5000u);
}

CAF_TEST(the end of a node does not wait for long) {
  lay_file(1);
  start();
  set("k");
  set("l");
  self->monitor(uut);
  caf::anon_send_exit(uut, caf::exit_reason::user_shutdown);
  allow((caf::exit_msg), to(uut));
  // The shards have not had their turn yet, and the time is over.
  caf::anon_send(uut, stop_atom_v);
  allow((stop_atom), to(uut));
  auto ended = false;
  self->receive([&](caf::down_msg&) { ended = true; },
                caf::after(std::chrono::seconds(0)) >> [] {});
  CAF_CHECK(ended);
  uut = nullptr;
  consume_messages();
  CAF_CHECK_EQUAL(kept().size(), 1u); // of the run before
}

CAF_TEST(a list has its bound and the hottest are in it) {
  for (int i = 0; i < 100; ++i)
    set(name_of(i));
  for (int i = 40; i < 50; ++i)
    read(name_of(i), 5);
  // 24 to 26 bytes each, as in kept_size: room for some 40 in two shards.
  start(1000);
  keep();
  auto xs = kept();
  CAF_CHECK(xs.size() >= 30 && xs.size() <= 45);
  for (int i = 40; i < 50; ++i)
    CAF_CHECK(std::any_of(xs.begin(), xs.begin() + 10,
                          [&](auto& x) { return x.key == key(name_of(i)); }));
}

CAF_TEST(a list that cannot be written is counted and does no harm) {
  std::filesystem::create_directory(file + ".new");
  set("k");
  start();
  keep();
  CAF_CHECK_EQUAL(counter("keep_errors"), 1u);
  std::filesystem::remove(file + ".new");
  keep();
  CAF_CHECK_EQUAL(counter("keeps"), 1u);
  CAF_CHECK_EQUAL(kept().size(), 1u);
}

// -- looking up ---------------------------------------------------------------

CAF_TEST(a start looks the keys up with the hottest first) {
  lay_file(100);
  for (int i = 0; i < 100; ++i)
    lay_on_disk(name_of(i), "value " + std::to_string(i));
  start();
  // The first batch, and no more before the rest is over.
  for (int i = 0; i < 100; ++i)
    CAF_CHECK_EQUAL(in_memory(name_of(i)) != "(none)", i < 32);
  CAF_CHECK_EQUAL(counter("preload_left"), 68u);
  wake();
  for (int i = 0; i < 100; ++i)
    CAF_CHECK_EQUAL(in_memory(name_of(i)) != "(none)", i < 96);
  wake();
  wake();
  CAF_CHECK_EQUAL(in_memory(name_of(99)), "value 99");
  CAF_CHECK_EQUAL(counter("preload_keys"), 100u);
  CAF_CHECK_EQUAL(counter("preload_found"), 100u);
  CAF_CHECK_EQUAL(disk->count("fetch key-5"), 1u);
  check_outcomes();
  // That was no client.
  for (auto& x : coordinators) {
    auto status = ask<actor_status>(x, status_atom_v);
    CAF_CHECK_EQUAL(status.counters["fetched_keys"], 0u);
    CAF_CHECK_EQUAL(status.counters["hits"], 0u);
  }
}

CAF_TEST(a tier that becomes slow gets smaller batches) {
  lay_file(200);
  for (int i = 0; i < 200; ++i)
    lay_on_disk(name_of(i));
  start();
  disk->hold_fetches = true;
  auto batch = [&] {
    disk->log.clear();
    wake();
    steady += std::chrono::milliseconds(5);
    release();
    return std::count_if(disk->log.begin(), disk->log.end(),
                         [](auto& x) { return x.starts_with("fetch"); });
  };
  CAF_CHECK_EQUAL(batch(), 64);
  CAF_CHECK_EQUAL(batch(), 32);
  CAF_CHECK_EQUAL(batch(), 16);
  CAF_CHECK_EQUAL(batch(), 16);
}

CAF_TEST(nothing is asked for while an answer is missing) {
  lay_file(100);
  disk->hold_fetches = true;
  start();
  auto asked = disk->log.size();
  CAF_CHECK_EQUAL(asked, 32u);
  wake();
  wake();
  CAF_CHECK_EQUAL(disk->log.size(), asked);
  check_outcomes();
  release();
}

CAF_TEST(keys that are gone or expired or there already are skipped) {
  hot_keys xs{{key("here"), 9, 100, 0},
              {key("gone"), 8, 100, 0},
              {key("expired"), 7, 100, now_ms},
              {key("below"), 6, 100, now_ms + 1}};
  CAF_REQUIRE(write_hot_keys(file, xs, now_ms));
  lay_on_disk("expired");
  lay_on_disk("below");
  set("here", "newer");
  start();
  wake();
  CAF_CHECK_EQUAL(in_memory("here"), "newer");
  CAF_CHECK_EQUAL(in_memory("expired"), "(none)");
  CAF_CHECK_EQUAL(in_memory("below"), "v");
  CAF_CHECK_EQUAL(disk->count("fetch expired"), 0u);
  CAF_CHECK_EQUAL(counter("preload_present"), 1u);
  CAF_CHECK_EQUAL(counter("preload_missing"), 1u);
  CAF_CHECK_EQUAL(counter("preload_expired"), 1u);
  CAF_CHECK_EQUAL(counter("preload_found"), 1u);
  check_outcomes();
}

CAF_TEST(what is changed meanwhile stays as it was changed) {
  lay_file(3);
  for (int i = 0; i < 3; ++i)
    lay_on_disk(name_of(i), "old");
  disk->hold_fetches = true;
  start();
  // The disk has been read; only its answers are late.
  disk->hold_fetches = false;
  erase(name_of(0));
  set(name_of(1), "new");
  release();
  CAF_CHECK_EQUAL(in_memory(name_of(0)), "(none)");
  CAF_CHECK_EQUAL(in_memory(name_of(1)), "new");
  CAF_CHECK_EQUAL(in_memory(name_of(2)), "old");
}

CAF_TEST(what is invalidated meanwhile does not come back) {
  lay_file(2);
  lay_on_disk(name_of(0), "old");
  lay_on_disk(name_of(1), "old");
  disk->hold_fetches = true;
  start();
  auto up_to = versions->next(now_ms);
  selector all{selector::kind::tenant, 0, ""};
  for (auto& x : coordinators)
    ask<std::uint64_t>(x, fence_atom_v, all, up_to, true);
  release();
  CAF_CHECK_EQUAL(in_memory(name_of(0)), "(none)");
  CAF_CHECK_EQUAL(in_memory(name_of(1)), "(none)");
}

CAF_TEST(it ends when memory is full and evicts nothing) {
  close();
  memory_opts.max_size = 1 << 20;
  open();
  for (int i = 0; i < 400; ++i)
    lay_on_disk(name_of(i), std::string(8000, 'x'));
  lay_file(400, 8100);
  start();
  for (int i = 0; i < 20; ++i)
    wake();
  tier_status all;
  for (auto& x : memory)
    all.merge(ask<tier_status>(x, status_atom_v));
  CAF_CHECK_EQUAL(all.evictions, 0u);
  CAF_CHECK(all.entries > 80);
  CAF_CHECK_EQUAL(counter("preload_found"), all.entries);
  CAF_CHECK_EQUAL(counter("preload_unfit"), 400 - all.entries);
  CAF_CHECK_EQUAL(counter("preload_left"), 0u);
  CAF_CHECK_EQUAL(in_memory(name_of(0)).size(), 8000u);
}

// -- failures -----------------------------------------------------------------

CAF_TEST(a tier that comes up late is asked again) {
  lay_file(3);
  for (int i = 0; i < 3; ++i)
    lay_on_disk(name_of(i));
  disk->fail_fetches = errc::breaker_open;
  start();
  wake();
  wake();
  CAF_CHECK_EQUAL(disk->count("fetch key-0"), 3u);
  CAF_CHECK_EQUAL(counter("preload_left"), 3u);
  disk->fail_fetches = errc::none;
  wake();
  CAF_CHECK_EQUAL(in_memory(name_of(0)), "v");
  CAF_CHECK_EQUAL(counter("preload_found"), 3u);
  check_outcomes();
}

CAF_TEST(a tier that stays away is given up) {
  lay_file(100);
  disk->fail_fetches = errc::unavailable;
  start();
  for (int i = 0; i < 150; ++i)
    wake();
  CAF_CHECK_EQUAL(disk->count("fetch key-0"), 120u);
  CAF_CHECK_EQUAL(counter("preload_failed"), 100u);
  check_outcomes();
  keep(); // goes on
  CAF_CHECK_EQUAL(counter("keeps"), 1u);
}

CAF_TEST(a damaged value is no reason to ask again) {
  lay_file(3);
  disk->fail_fetches = errc::corrupt;
  start();
  wake();
  CAF_CHECK_EQUAL(disk->count("fetch key-0"), 1u);
  CAF_CHECK_EQUAL(counter("preload_failed"), 3u);
  check_outcomes();
}

CAF_TEST(a damaged list gives what is whole and another file nothing) {
  lay_file(3);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  lay_on_disk(name_of(0));
  start();
  CAF_CHECK_EQUAL(counter("preload_damaged"), 1u);
  CAF_CHECK_EQUAL(in_memory(name_of(0)), "v");
  stop(uut);
  std::filesystem::resize_file(file, 20);
  start();
  CAF_CHECK_EQUAL(counter("preload_damaged"), 1u);
  CAF_CHECK_EQUAL(counter("preload_keys"), 0u);
  keep();
  CAF_CHECK_EQUAL(kept().size(), 1u);
}

CAF_TEST(a node that ends early keeps what it did not look up) {
  lay_file(100);
  for (int i = 0; i < 100; ++i)
    lay_on_disk(name_of(i));
  start();
  // In memory by itself, and still in the list.
  set(name_of(60));
  set("other");
  close();
  auto xs = kept();
  CAF_CHECK_EQUAL(xs.size(), 101u);
  std::set<std::string> different;
  for (auto& x : xs)
    different.insert(x.key);
  CAF_CHECK_EQUAL(different.size(), 101u);
  CAF_CHECK_EQUAL(xs.back().key, key(name_of(99)));
  CAF_CHECK(std::is_sorted(xs.begin(), xs.end(), [](auto& x, auto& y) {
    return x.hotness > y.hotness;
  }));
}

CAF_TEST_FIXTURE_SCOPE_END()
