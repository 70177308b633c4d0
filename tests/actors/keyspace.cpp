#define CAF_SUITE actors.keyspace

#include "tests/support/actor_fixture.hpp"

#include "actors/keyspace.hpp"
#include "tests/support/fake_tier.hpp"

using namespace terrace;
using namespace terrace::test;

namespace {

struct fixture : actor_fixture {
  fake_tier_ptr memory = std::make_shared<fake_tier>();
  fake_tier_ptr disk = std::make_shared<fake_tier>();
  tier_actor memory_handle = sys.spawn(fake_tier_actor, memory);
  tier_actor disk_handle = sys.spawn(fake_tier_actor, disk);
  keyspace_actor uut;

  fixture() {
    auto handle = [](tier_kind kind, tier_actor x) {
      return tier_handle{kind, std::move(x), std::make_shared<tier_health>(),
                         true, 100};
    };
    uut = sys.spawn(keyspace, std::vector<tier_handle>{
                                handle(tier_kind::memory, memory_handle),
                                handle(tier_kind::disk, disk_handle)});
    for (auto name : {"a", "b", "c", "d", "e"})
      disk->held[qualify(0, name)] = {};
    for (auto name : {"c", "d", "only-memory"})
      memory->held[qualify(0, name)] = {};
    disk->held[qualify(1, "other-tenant")] = {};
    consume_messages();
  }

  ~fixture() {
    stop(uut);
    stop(memory_handle);
    stop(disk_handle);
  }

  scan_page scan(std::uint64_t cursor) {
    return ask<scan_page>(uut, scan_atom_v, scan_request{0, "*", cursor, 10});
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(keyspace_tests, fixture)

CAF_TEST(a scan returns every key of all tiers once) {
  std::vector<std::string> seen;
  std::uint64_t cursor = 0;
  do {
    auto page = scan(cursor);
    for (auto& key : page.found)
      seen.emplace_back(user_key(key));
    cursor = page.cursor;
  } while (cursor != 0);
  CAF_CHECK(
    seen == (std::vector<std::string>{"a", "b", "c", "d", "e", "only-memory"}));
}

CAF_TEST(a step may be repeated but not for ever) {
  auto first = scan(0);
  auto second = scan(first.cursor);
  CAF_CHECK(scan(first.cursor).found == second.found);
  auto third = scan(second.cursor);
  CAF_CHECK(third.cursor != 0);
  CAF_CHECK(ask_failure<scan_page>(uut, scan_atom_v,
                                   scan_request{0, "*", first.cursor, 10})
              .code
            == errc::invalid_argument);
  CAF_CHECK(
    ask_failure<scan_page>(uut, scan_atom_v, scan_request{0, "*", 999'999, 10})
      .code
    == errc::invalid_argument);
}

CAF_TEST(a listing is the union of the tiers) {
  auto xs = ask<keys>(uut, list_atom_v, tenant_id{0}, std::string{"*"});
  std::sort(xs.begin(), xs.end());
  CAF_CHECK_EQUAL(xs.size(), 6u);
  CAF_CHECK(std::adjacent_find(xs.begin(), xs.end()) == xs.end());
}

CAF_TEST(the count is that of the fullest tier) {
  CAF_CHECK_EQUAL(ask<std::uint64_t>(uut, count_atom_v, tenant_id{0}), 5u);
  CAF_CHECK_EQUAL(ask<std::uint64_t>(uut, count_atom_v, tenant_id{1}), 1u);
  CAF_CHECK_EQUAL(ask<std::uint64_t>(uut, count_atom_v, tenant_id{2}), 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
