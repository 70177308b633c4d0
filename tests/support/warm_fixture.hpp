// A node of memory and a fake disk with its warm restart, for the two suites of
// that. Include after defining CAF_SUITE.
#pragma once

#include "tests/support/actor_fixture.hpp"

#include "actors/coordinator.hpp"
#include "actors/memory_tier.hpp"
#include "actors/warm_restart.hpp"
#include "tests/support/fake_tier.hpp"
#include "tests/support/temp_dir.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace terrace::test {

/// Two shards of real memory with their coordinators over one fake disk.
struct warm_fixture : actor_fixture {
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

  warm_fixture() {
    memory_opts.policy = "lfu";
    disk_handle = sys.spawn(fake_tier_actor, disk);
    open();
  }

  ~warm_fixture() {
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

} // namespace terrace::test
