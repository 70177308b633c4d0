#define CAF_SUITE tiers.memory_store

#include "tiers/memory_store.hpp"

#include <caf/test/unit_test.hpp>

#include <atomic>
#include <map>
#include <random>
#include <thread>

using namespace terrace;

namespace {

constexpr std::uint64_t seed = 17;

struct fixture {
  memory_options opts;
  memory_view_ptr view;
  std::unique_ptr<memory_store> store;
  version_t last = 0;

  void open(std::size_t max_size, std::size_t max_entries = 0) {
    opts.max_size = max_size;
    opts.max_entries = max_entries;
    view = memory_store::make_view(opts, 1, seed);
    store = std::make_unique<memory_store>(opts, view, 0);
  }

  store_report put(std::string_view key, std::string_view value,
                   std::int64_t expires = 0, std::int64_t now = 0) {
    entry x{qualify(0, key), {blob::copy(value), ++last, expires, {}}};
    return store->put(std::span{&x, 1}, false, now);
  }

  std::string get(std::string_view key, std::int64_t now = 0) {
    auto name = qualify(0, key);
    auto pinned = view->pin();
    auto* node = view->find(pinned, name, view->hash(name), now);
    return node ? std::string{node->bytes()} : "(miss)";
  }

  std::size_t entries() {
    tier_status x;
    store->describe(x);
    return x.entries;
  }

  fixture() {
    open(1 << 20);
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(memory_store_tests, fixture)

CAF_TEST(readers see a put and an erasure at once) {
  CAF_CHECK_EQUAL(get("k"), "(miss)");
  put("k", "v1");
  CAF_CHECK_EQUAL(get("k"), "v1");
  put("k", "v2");
  CAF_CHECK_EQUAL(get("k"), "v2");
  removal x{qualify(0, "k"), ++last};
  CAF_CHECK(store->remove(std::span{&x, 1}, 0).existed == std::vector{true});
  CAF_CHECK_EQUAL(get("k"), "(miss)");
  auto totals = view->totals();
  CAF_CHECK_EQUAL(totals.hits, 2u);
  CAF_CHECK_EQUAL(totals.misses, 2u);
}

CAF_TEST(a value outlives its entry while somebody holds it) {
  for (auto size : {100u, 10'000u}) {
    put("k", std::string(size, 'x'));
    blob held;
    {
      auto name = qualify(0, "k");
      auto pinned = view->pin();
      held = view->peek(pinned, name, view->hash(name), 0)->value();
    }
    for (int i = 0; i < 2000; ++i)
      put("k", "other");
    store->sweep(0, 1000);
    CAF_CHECK_EQUAL(held.view(), std::string(size, 'x'));
  }
}

CAF_TEST(bytes and entries stay within their bounds) {
  open(64 << 10);
  for (int i = 0; i < 5000; ++i)
    put(std::to_string(i), std::string(static_cast<std::size_t>(i % 700), 'x'));
  tier_status x;
  store->describe(x);
  CAF_CHECK(x.bytes <= 64u << 10);
  CAF_CHECK(x.bytes > 48u << 10);
  CAF_CHECK_EQUAL(x.evictions + x.entries, 5000u);
  open(64 << 20, 100);
  for (int i = 0; i < 5000; ++i)
    put(std::to_string(i), "v");
  CAF_CHECK_EQUAL(entries(), 100u);
}

CAF_TEST(the callback hears of every eviction) {
  open(64 << 20, 10);
  std::vector<std::string> evicted;
  store->on_evict(
    [&](const memory_node& x) { evicted.emplace_back(user_key(x.key())); });
  for (int i = 0; i < 13; ++i)
    put(std::to_string(i), "v");
  CAF_CHECK(evicted == (std::vector<std::string>{"0", "1", "2"}));
}

CAF_TEST(an entry that cannot fit leaves nothing older behind) {
  open(4096);
  put("k", "small");
  auto report = put("k", std::string(8192, 'x'));
  CAF_CHECK_EQUAL(report.refused, 1u);
  CAF_CHECK_EQUAL(get("k"), "(miss)");
  opts.max_value_size = 10;
  open(1 << 20);
  put("k", "small");
  CAF_CHECK_EQUAL(put("k", "more than ten bytes").refused, 1u);
  CAF_CHECK_EQUAL(get("k"), "(miss)");
}

CAF_TEST(expired entries are not returned and are swept in steps) {
  for (int i = 0; i < 1000; ++i)
    put(std::to_string(i), "v", 100);
  put("stays", "v");
  CAF_CHECK_EQUAL(get("1", 99), "v");
  CAF_CHECK_EQUAL(get("1", 100), "(miss)");
  std::size_t steps = 0;
  while (entries() > 1 && steps < 1000) {
    store->sweep(100 + timer_wheel::resolution_ms, 64);
    ++steps;
  }
  CAF_CHECK(steps > 10);
  CAF_CHECK_EQUAL(entries(), 1u);
  tier_status x;
  store->describe(x);
  CAF_CHECK_EQUAL(x.expirations, 1000u);
}

CAF_TEST(the longest stay ends an entry in memory but not its expiry) {
  opts.max_ttl = milliseconds{50};
  open(1 << 20);
  put("k", "v", 1000, 0);
  auto name = qualify(0, "k");
  auto found = store->fetch(std::span{&name, 1}, 49);
  CAF_CHECK(found[0].hit());
  CAF_CHECK_EQUAL(found[0].data.expires_ms, 1000);
  CAF_CHECK(!store->fetch(std::span{&name, 1}, 50)[0].hit());
}

CAF_TEST(a listing finds every key although the table grows meanwhile) {
  open(64 << 20);
  std::set<std::string> wanted;
  for (int i = 0; i < 500; ++i) {
    put("old:" + std::to_string(i), "v");
    wanted.insert(qualify(0, "old:" + std::to_string(i)));
  }
  std::string cursor;
  std::set<std::string> seen;
  int added = 0;
  for (;;) {
    auto page = store->list(0, "old:*", cursor, 20, 0);
    CAF_REQUIRE(page);
    seen.insert(page->found.begin(), page->found.end());
    if (page->done)
      break;
    cursor = page->next;
    for (int i = 0; i < 3000 && added < 400'000; ++i, ++added)
      put("new:" + std::to_string(added), "v");
  }
  CAF_CHECK(added > 100'000);
  CAF_CHECK(seen == wanted);
  CAF_CHECK(!store->list(0, "*", "nonsense", 20, 0));
}

CAF_TEST(an entry costs at most 64 bytes beyond its payload) {
  constexpr std::size_t n = 100'000;
  for (auto expires : {0, 1'000'000}) {
    open(20 << 20);
    for (std::size_t i = 0; i < n; ++i) {
      auto name = std::to_string(1'000'000 + i);
      put("key:0123456789" + name.substr(1), std::string(100, 'v'), expires);
    }
    tier_status x;
    store->describe(x);
    CAF_REQUIRE_EQUAL(x.entries, n);
    auto& extra = x.extra;
    // Pages, whether full or not, and the table.
    auto cost = extra["page_bytes"] + extra["table_bytes"]
                + extra["outside_bytes"];
    CAF_MESSAGE("bytes per entry " << static_cast<double>(cost) / n);
    CAF_CHECK(cost <= n * (20 + 100 + 64));
  }
}

CAF_TEST(churn of sizes that change leaves no holes) {
  constexpr std::size_t bound = 16 << 20;
  open(bound);
  std::mt19937 random{3};
  std::size_t sizes[] = {60, 700, 90, 3000, 200, 1200};
  std::map<std::string, std::string> expected;
  for (auto size : sizes) {
    for (int i = 0; i < 60'000; ++i) {
      auto name = std::to_string(random() % 200'000);
      std::string value(size + random() % size, 'a' + i % 26);
      put(name, value);
      expected[name] = value;
    }
    for (int i = 0; i < 50; ++i)
      store->sweep(0, 1000);
    tier_status x;
    store->describe(x);
    auto held = x.extra["page_bytes"] + x.extra["table_bytes"]
                + x.extra["outside_bytes"];
    // Each of some 80 sizes has a page that is not full.
    CAF_MESSAGE("of the bound " << static_cast<double>(held) / bound);
    CAF_CHECK(held <= bound + bound / 16 + 40 * memory_arena::page_size);
    CAF_CHECK(x.bytes <= bound);
    CAF_CHECK(x.bytes > bound / 3);
    auto wrong = 0;
    for (auto& [name, value] : expected) {
      auto found = get(name);
      wrong += found != "(miss)" && found != value;
    }
    CAF_CHECK_EQUAL(wrong, 0);
  }
  tier_status x;
  store->describe(x);
  CAF_CHECK_GREATER(x.extra["moved"], 0u);
}

CAF_TEST(bounds and policy can be changed while it is in use) {
  open(4 << 20);
  for (int i = 0; i < 10'000; ++i)
    put(std::to_string(i), std::string(100, 'v'));
  CAF_CHECK_EQUAL(entries(), 10'000u);
  for (auto name : {"lru", "sieve", "fifo", "s3-fifo"}) {
    CAF_CHECK(store->change_policy(name));
    CAF_CHECK_EQUAL(store->policy().name(), name);
    CAF_CHECK_EQUAL(entries(), 10'000u);
    CAF_CHECK_EQUAL(store->policy().dump().size(), 10'000u);
    CAF_CHECK_EQUAL(get("77"), std::string(100, 'v'));
  }
  CAF_CHECK(!store->change_policy("best"));
  CAF_CHECK_EQUAL(store->policy().name(), "s3-fifo");
  store->resize(1 << 20, 0);
  for (int i = 0; i < 20; ++i)
    store->sweep(0, 1000);
  tier_status x;
  store->describe(x);
  CAF_CHECK(x.bytes <= 1u << 20);
  CAF_CHECK_EQUAL(x.capacity_bytes, 1u << 20);
  CAF_CHECK_EQUAL(x.evictions + x.entries, 10'000u);
  store->resize(4 << 20, 100);
  put("one more", "v");
  for (int i = 0; i < 20; ++i)
    store->sweep(0, 1000);
  CAF_CHECK_EQUAL(entries(), 100u);
}

CAF_TEST(memory that is short elsewhere is given back) {
  open(4 << 20);
  for (int i = 0; i < 100'000; ++i)
    put(std::to_string(i), std::string(100, 'v'));
  auto held = [this] {
    tier_status x;
    store->describe(x);
    return x.bytes;
  };
  auto before = held();
  store->shed(1 << 20);
  for (int i = 0; i < 20; ++i)
    store->sweep(0, 1000);
  CAF_CHECK(held() <= before - (1 << 20));
  for (int i = 0; i < 10'000; ++i)
    put(std::to_string(i), std::string(100, 'w'));
  CAF_CHECK(held() <= before - (1 << 20));
  store->shed(0);
  for (int i = 0; i < 100'000; ++i)
    put(std::to_string(i), std::string(100, 'x'));
  CAF_CHECK(held() > before - (1 << 18));
}

CAF_TEST(policies hear of what readers touch) {
  opts.policy = "lru";
  open(64 << 20, 10);
  for (int i = 0; i < 10; ++i)
    put(std::to_string(i), "v");
  get("0");
  get("1");
  put("10", "v");
  put("11", "v");
  CAF_CHECK_EQUAL(get("0"), "v");
  CAF_CHECK_EQUAL(get("1"), "v");
  CAF_CHECK_EQUAL(get("2"), "(miss)");
  CAF_CHECK_EQUAL(get("3"), "(miss)");
}

CAF_TEST(readers in other threads never see a torn or foreign value) {
  open(256 << 10);
  constexpr int key_count = 2000;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> hits{0};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (unsigned t = 0; t < 2; ++t)
    readers.emplace_back([&, t] {
      std::minstd_rand random{t + 1};
      while (!stop.load(std::memory_order_relaxed)) {
        auto key = std::to_string(random() % key_count);
        auto name = qualify(0, key);
        auto pinned = view->pin();
        auto* node = view->find(pinned, name, view->hash(name), 0);
        if (!node)
          continue;
        ++hits;
        // Every value is its key followed by one repeated byte.
        auto bytes = node->bytes();
        auto rest = bytes.substr(std::min(key.size(), bytes.size()));
        if (!bytes.starts_with(key)
            || rest.find_first_not_of(rest.empty() ? '\0' : rest[0])
                 != std::string_view::npos)
          ++wrong;
      }
    });
  std::minstd_rand random{99};
  for (int i = 0; i < 300'000; ++i) {
    auto key = std::to_string(random() % key_count);
    if (i % 7 == 0) {
      removal x{qualify(0, key), ++last};
      store->remove(std::span{&x, 1}, 0);
    } else {
      put(key, key + std::string(random() % 300, static_cast<char>(i)));
    }
  }
  stop = true;
  for (auto& t : readers)
    t.join();
  CAF_CHECK_EQUAL(wrong.load(), 0u);
  CAF_CHECK(hits.load() > 0);
}

CAF_TEST_FIXTURE_SCOPE_END()
