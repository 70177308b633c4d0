// Readers, a writer, expiry, resize and changes of policy, all at once. Rounds
// are few here; TERRACE_STRESS_ROUNDS asks for more, for example 2000 under a
// sanitizer.

#define CAF_SUITE tiers.memory_stress

#include "tiers/memory_store.hpp"

#include <caf/test/unit_test.hpp>

#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>

using namespace terrace;

namespace {

constexpr int names = 4000;
constexpr std::size_t readers = 3;

int rounds() {
  auto* text = std::getenv("TERRACE_STRESS_ROUNDS");
  return text ? std::atoi(text) : 40;
}

std::string name_of(int i) {
  return qualify(0, "key" + std::to_string(i));
}

/// The value of a key at a version: long or short, and made of its own name.
std::string value_of(int i, version_t version) {
  auto unit = std::to_string(i) + ":" + std::to_string(version) + ";";
  constexpr std::size_t sizes[] = {20, 100, 700, 3000, 6000, 30'000};
  std::string result;
  while (result.size() < sizes[(static_cast<version_t>(i) + version) % 6])
    result += unit;
  return result;
}

bool intact(int i, std::string_view value) {
  auto end = value.find(';');
  if (end == value.npos || value.size() % (end + 1) != 0)
    return false;
  auto unit = value.substr(0, end + 1);
  if (!unit.starts_with(std::to_string(i) + ":"))
    return false;
  for (std::size_t at = 0; at < value.size(); at += unit.size())
    if (value.substr(at, unit.size()) != unit)
      return false;
  return true;
}

} // namespace

CAF_TEST(everything at once leaves every value whole) {
  constexpr unsigned seed = 11;
  CAF_MESSAGE("seed " << seed);
  memory_options opts;
  opts.max_size = 8 << 20;
  auto view = memory_store::make_view(opts, 1, seed);
  auto store = std::make_unique<memory_store>(opts, view, 0);
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> now{1'000'000};
  std::atomic<std::uint64_t> torn{0}, stale{0}, hits{0};
  std::atomic<std::size_t> started{0};
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < readers; ++n)
    threads.emplace_back([&, n] {
      std::mt19937 random{static_cast<unsigned>(n)};
      std::map<int, blob> held; // outlive their entries
      ++started;
      while (!stop) {
        auto i = static_cast<int>(random() % names);
        auto at = now.load();
        auto pinned = view->pin();
        auto key = name_of(i);
        auto* node = view->find(pinned, key, view->hash(key), at);
        if (!node)
          continue;
        ++hits;
        torn += intact(i, node->bytes()) ? 0 : 1;
        stale += node->until_ms() != 0 && node->until_ms() <= at ? 1 : 0;
        if (random() % 8 == 0)
          held[i] = node->value();
        if (held.size() > 200) {
          for (auto& [name, value] : held)
            torn += intact(name, value.view()) ? 0 : 1;
          held.clear();
        }
      }
    });
  while (started < readers)
    std::this_thread::yield();
  std::mt19937 random{seed};
  constexpr std::string_view policies[]
    = {"auto",  "lru",  "s3-fifo", "w-tinylfu", "lfu",
       "sieve", "fifo", "slru",    "adaptive",  "hybrid"};
  version_t version = 0;
  std::uint64_t callbacks = 0;
  store->on_evict([&](const memory_node&) { ++callbacks; });
  for (int round = 0; round < rounds(); ++round) {
    for (int n = 0; n < 2000; ++n) {
      auto i = static_cast<int>(random() % names);
      if (random() % 20 == 0) {
        removal x{name_of(i), ++version};
        store->remove({&x, 1}, now);
        continue;
      }
      auto expires = random() % 3 == 0 ? now + random() % 300 : 0;
      entry x{name_of(i),
              {blob::copy(value_of(i, ++version)),
               version,
               static_cast<std::int64_t>(expires),
               {}}};
      store->put({&x, 1}, false, now);
    }
    now += 50;
    store->sweep(now, 500);
    if (round % 5 == 4)
      store->resize((2u << 20) + (random() % 8 << 20), random() % 2 * 2000);
    if (round % 3 == 2)
      CAF_CHECK(store->change_policy(policies[random() % 10]));
    if (round % 7 == 6)
      store->purge({selector::kind::prefix, 0, "key1"}, version, now);
  }
  stop = true;
  for (auto& x : threads)
    x.join();
  CAF_CHECK_EQUAL(torn.load(), 0u);
  CAF_CHECK_EQUAL(stale.load(), 0u);
  CAF_CHECK_GREATER(hits.load(), 0u);
  tier_status x;
  store->describe(x);
  CAF_CHECK_EQUAL(x.evictions, callbacks);
  CAF_CHECK_EQUAL(x.entries, store->policy().dump().size());
  // Values that are still held outlive the store and its memory.
  blob held;
  for (int i = 0; i < names && held.empty(); ++i) {
    auto pinned = view->pin();
    auto key = name_of(i);
    if (auto* node = view->peek(pinned, key, view->hash(key), now))
      held = node->value();
  }
  store.reset();
  view.reset();
  CAF_CHECK(!held.empty() && held.view().find(';') != std::string_view::npos);
}

CAF_TEST(random operations agree with a map) {
  constexpr unsigned seed = 12;
  CAF_MESSAGE("seed " << seed);
  std::mt19937 random{seed};
  memory_options opts;
  opts.max_size = 256 << 20; // nothing is evicted
  auto view = memory_store::make_view(opts, 1, seed);
  memory_store store{opts, view, 0};
  std::map<std::string, record> model;
  version_t version = 0;
  std::int64_t now = 1'000'000;
  auto live = [&](const std::string& key) {
    auto i = model.find(key);
    return i != model.end() && !i->second.expired(now);
  };
  for (int step = 0; step < 30'000; ++step) {
    now += static_cast<std::int64_t>(random() % 3);
    auto key = name_of(static_cast<int>(random() % 500));
    switch (random() % 8) {
      case 0: {
        removal x{key, ++version};
        auto report = store.remove({&x, 1}, now);
        CAF_REQUIRE_EQUAL(report.existed[0], live(key));
        model.erase(key);
        break;
      }
      case 1:
        store.sweep(now, random() % 100);
        break;
      case 2:
        if (random() % 100 == 0)
          CAF_REQUIRE(store.change_policy(random() % 2 ? "lru" : "auto"));
        break;
      default: {
        auto expires = random() % 2 ? now + 1 + random() % 500 : 0;
        entry x{key,
                {blob::copy(std::string(random() % 9000, 'v')),
                 ++version,
                 static_cast<std::int64_t>(expires),
                 {}}};
        auto if_absent = random() % 4 == 0;
        auto stored = store.put({&x, 1}, if_absent, now).stored;
        CAF_REQUIRE_EQUAL(stored, if_absent && live(key) ? 0u : 1u);
        if (stored)
          model[key] = x.data;
      }
    }
    auto pinned = view->pin();
    auto* node = view->find(pinned, key, view->hash(key), now);
    CAF_REQUIRE_EQUAL(node != nullptr, live(key));
    if (node)
      CAF_REQUIRE(node->data() == model[key]);
  }
}

CAF_TEST(shards that share what they learn do not disturb each other) {
  constexpr std::size_t shards = 4;
  memory_options opts;
  opts.max_size = 4 << 20;
  auto view = memory_store::make_view(opts, shards, 3);
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (std::size_t shard = 0; shard < shards; ++shard)
    threads.emplace_back([&, shard] {
      memory_store store{opts, view, shard};
      std::mt19937 random{static_cast<unsigned>(shard)};
      for (int i = 0; i < rounds() * 1000; ++i) {
        auto name = name_of(static_cast<int>(random() % (5 * names)));
        if (view->shard_of(view->hash(name)) != shard)
          continue;
        auto version = static_cast<version_t>(i + 1);
        entry x{name, {blob::copy(std::string(400, 'x')), version, 0, {}}};
        store.put({&x, 1}, false, i / 100);
        if (i % 5000 == 0)
          store.sweep(i / 100, 1000);
        if (i % 9000 == 0)
          store.change_policy(i % 18'000 == 0 ? "auto" : "lru");
      }
    });
  std::uint64_t found = 0;
  std::thread reader{[&] {
    std::mt19937 random{99};
    while (!done) {
      auto name = name_of(static_cast<int>(random() % (5 * names)));
      auto pinned = view->pin();
      auto* node = view->find(pinned, name, view->hash(name), 0);
      found += node && node->bytes().size() == 400 ? 1 : 0;
    }
  }};
  for (auto& x : threads)
    x.join();
  done = true;
  reader.join();
  CAF_CHECK(found > 0);
  for (std::size_t shard = 0; shard < shards; ++shard)
    CAF_CHECK(view->table(shard).size() > 0);
}
