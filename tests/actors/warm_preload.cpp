// Looking up, after a start, the keys that memory held before it.
#define CAF_SUITE actors.warm_preload

#include "tests/support/warm_fixture.hpp"

#include <algorithm>
#include <filesystem>

using namespace terrace;
using namespace terrace::test;

CAF_TEST_FIXTURE_SCOPE(warm_preload_tests, warm_fixture)

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

CAF_TEST_FIXTURE_SCOPE_END()
