#define CAF_SUITE tiers.memory_arena

#include "tiers/memory_node.hpp"

#include <caf/test/unit_test.hpp>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <thread>

using namespace terrace;

namespace {

struct fixture {
  memory_arena* uut = memory_arena::make();

  ~fixture() {
    if (uut)
      uut->close();
  }

  record make_record(std::string_view value, std::int64_t expires_ms = 0,
                     std::vector<std::string> tags = {}, bool compress = true) {
    return {blob::copy(value), 7, expires_ms, std::move(tags), compress};
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(memory_arena_tests, fixture)

CAF_TEST(sizes are rounded by little) {
  for (std::size_t size = 40; size <= memory_arena::max_object; ++size) {
    auto taken = memory_arena::class_size(size);
    CAF_CHECK(taken >= size && taken % 8 == 0);
    CAF_CHECK(size <= 512 ? taken < size + 8 : taken * 4 < size * 5);
  }
  CAF_CHECK(memory_arena::class_size(memory_arena::max_object)
            >= memory_arena::max_object);
}

CAF_TEST(objects do not overlap and are counted) {
  constexpr unsigned seed = 5;
  CAF_MESSAGE("seed " << seed);
  std::mt19937 random{seed};
  struct object {
    char* at;
    std::size_t size;
    char fill;
  };
  std::vector<object> live;
  std::uint64_t expected = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (live.empty() || random() % 5 < 3) {
      auto size = 40 + random() % (memory_arena::max_object - 40);
      auto* at = static_cast<char*>(uut->allocate(size));
      CAF_REQUIRE(at);
      auto fill = static_cast<char>('a' + i % 26);
      std::memset(at, fill, size);
      live.push_back({at, size, fill});
      expected += memory_arena::class_size(size);
    } else {
      auto i = random() % live.size();
      auto x = live[i];
      auto intact = std::all_of(x.at, x.at + x.size,
                                [&](char c) { return c == x.fill; });
      CAF_REQUIRE(intact);
      uut->free(x.at);
      expected -= memory_arena::class_size(x.size);
      live[i] = live.back();
      live.pop_back();
    }
    if (live.size() > 2000)
      while (live.size() > 500) {
        uut->free(live.back().at);
        expected -= memory_arena::class_size(live.back().size);
        live.pop_back();
      }
  }
  CAF_CHECK_EQUAL(uut->object_bytes(), expected);
  CAF_CHECK(uut->page_bytes() >= expected);
  for (auto& x : live)
    uut->free(x.at);
  CAF_CHECK_EQUAL(uut->object_bytes(), 0u);
  CAF_CHECK_EQUAL(uut->page_bytes(), 0u);
}

CAF_TEST(pages are used again for other sizes) {
  std::vector<void*> xs;
  for (int i = 0; i < 10'000; ++i)
    xs.push_back(uut->allocate(200));
  auto pages = uut->page_bytes();
  for (auto* x : xs)
    uut->free(x);
  std::set<std::uintptr_t> again;
  for (int i = 0; i < 400; ++i)
    again.insert(reinterpret_cast<std::uintptr_t>(uut->allocate(3000)));
  auto base = reinterpret_cast<std::uintptr_t>(uut->base());
  CAF_CHECK(*again.rbegin() < base + pages);
  for (auto x : again)
    uut->free(reinterpret_cast<void*>(x));
}

CAF_TEST(large objects have spans that join again) {
  std::vector<char*> xs;
  for (std::size_t i = 0; i < 300; ++i) {
    auto size = 5000 + i * 1000;
    xs.push_back(static_cast<char*>(uut->allocate(size)));
    CAF_REQUIRE(xs.back());
    std::memset(xs.back(), static_cast<int>(i % 100 + 1), size);
  }
  auto lowest = *std::min_element(xs.begin(), xs.end());
  for (std::size_t i = 0; i < xs.size(); ++i) {
    CAF_CHECK_EQUAL(xs[i][0], static_cast<char>(i % 100 + 1));
    CAF_CHECK_EQUAL(xs[i][4999 + i * 1000], static_cast<char>(i % 100 + 1));
  }
  for (std::size_t i = 0; i < xs.size(); i += 2)
    uut->free(xs[i]);
  for (std::size_t i = 1; i < xs.size(); i += 2)
    memory_arena::free_from_anywhere(xs[i], 5000 + i * 1000);
  uut->collect();
  CAF_CHECK_EQUAL(uut->page_bytes(), 0u);
  CAF_CHECK_EQUAL(uut->object_bytes(), 0u);
  // What was given back serves again.
  for (int i = 0; i < 40; ++i) {
    auto* x = static_cast<char*>(uut->allocate(memory_arena::max_span));
    CAF_REQUIRE(x);
    CAF_CHECK(x >= lowest);
    CAF_CHECK_EQUAL(x[memory_arena::max_span - 1], 0);
    uut->free(x);
  }
}

CAF_TEST(a sparse page is found and can be emptied) {
  std::vector<void*> xs;
  for (int i = 0; i < 20'000; ++i) {
    xs.push_back(uut->allocate(100));
    std::memset(xs.back(), 1, 4);
  }
  CAF_CHECK(uut->sparse_page() == nullptr);
  // All but each tenth.
  std::set<void*> left;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    if (i % 10 != 0)
      uut->free(xs[i]);
    else
      left.insert(xs[i]);
  }
  auto before = uut->page_bytes();
  while (auto* page = uut->sparse_page()) {
    uut->each_place(page, [&](void* x) {
      std::uint32_t used = 0;
      std::memcpy(&used, x, sizeof(used));
      CAF_REQUIRE_EQUAL(used != 0, left.count(x) == 1);
      if (used != 0) {
        auto* fresh = uut->allocate(100);
        std::memset(fresh, 1, 4);
        left.insert(fresh);
        left.erase(x);
        uut->free(x);
      }
    });
  }
  CAF_CHECK_EQUAL(left.size(), 2000u);
  // A tenth, and as much as is not worth the trouble.
  CAF_CHECK(uut->page_bytes() < before / 10 + 5 * memory_arena::page_size);
  for (auto* x : left)
    uut->free(x);
}

CAF_TEST(others may free and the arena outlives its owner) {
  auto* node = memory_node::make(*uut, qualify(0, "k"), make_record("v"), 0);
  auto held = node->value();
  auto* other = memory_node::make(*uut, qualify(0, "l"), make_record("w"), 0);
  auto held_too = other->value();
  node->dispose(*uut);
  other->dispose(*uut);
  CAF_CHECK_GREATER(uut->object_bytes(), 0u);
  std::thread{[x = std::move(held)] {}}.join();
  uut->collect();
  CAF_CHECK_EQUAL(uut->object_bytes(),
                  memory_arena::class_size(sizeof(memory_node) + 3 + 1));
  uut->close();
  uut = nullptr;
  CAF_CHECK_EQUAL(held_too.view(), "w");
}

CAF_TEST(a node keeps whatever an entry has) {
  auto long_name = qualify(3, std::string(3000, 'k'));
  for (auto& key : {qualify(0, "k"), qualify(9, std::string(2000, 'k')), //
                    long_name}) {
    for (std::size_t size : {0u, 1u, 100u, 3000u, 100'000u, 1'500'000u})
      for (std::int64_t expires : {0, 5000})
        for (std::int64_t until : {expires, std::int64_t{3000}})
          for (auto tagged : {false, true}) {
            std::vector<std::string> tags;
            if (tagged)
              tags = {"a", "bb"};
            auto x = make_record(std::string(size, 'v'), expires, tags, tagged);
            auto* node = memory_node::make(*uut, key, x, until);
            CAF_REQUIRE(node);
            node->touch();
            auto* moved = node->move(*uut);
            node->dispose(*uut);
            CAF_CHECK(moved->key() == key);
            CAF_CHECK(moved->data() == x);
            CAF_CHECK_EQUAL(moved->until_ms(), until);
            CAF_CHECK(moved->live(until - 1)
                      && (until == 0) == moved->live(until));
            CAF_CHECK_EQUAL(moved->accesses.load(), 1u);
            if (until != 0) {
              moved->timer(77);
              CAF_CHECK_EQUAL(moved->timer(), 77u);
            }
            CAF_CHECK(moved->data() == x);
            CAF_CHECK(moved->footprint() >= key.size() + size);
            moved->dispose(*uut);
          }
  }
  CAF_CHECK_EQUAL(uut->object_bytes(), 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
