// Keeping the keys of memory. Looking them up is in warm_preload.cpp.
#define CAF_SUITE actors.warm_restart

#include "tests/support/warm_fixture.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

using namespace terrace;
using namespace terrace::test;

CAF_TEST_FIXTURE_SCOPE(warm_restart_tests, warm_fixture)

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
