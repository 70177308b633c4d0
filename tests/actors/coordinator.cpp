#define CAF_SUITE actors.coordinator

#include "tests/support/actor_fixture.hpp"

#include "actors/coordinator.hpp"
#include "actors/memory_tier.hpp"
#include "tests/support/fake_tier.hpp"

using namespace terrace;
using namespace terrace::test;

namespace {

constexpr std::size_t memory_limit = 100;

struct fixture : actor_fixture {
  memory_view_ptr view;
  memory_tier_actor memory;
  fake_tier_ptr disk = std::make_shared<fake_tier>();
  tier_actor disk_handle;
  std::shared_ptr<tier_health> disk_health = std::make_shared<tier_health>();
  std::shared_ptr<hybrid_clock> versions = std::make_shared<hybrid_clock>();
  coordinator_actor uut;

  fixture() {
    memory_options opts;
    opts.sweep_interval = std::chrono::hours(1);
    view = memory_store::make_view(opts, 1, 5);
    memory = sys.spawn(memory_tier, opts, std::uint64_t{0}, view,
                       std::size_t{0}, clock());
    disk_handle = sys.spawn(fake_tier_actor, disk);
    open({});
  }

  ~fixture() {
    stop(uut);
    stop(memory);
    stop(disk_handle);
  }

  void open(cache_options cache) {
    if (uut)
      stop(uut);
    coordinator_setup setup;
    setup.cache = std::move(cache);
    setup.view = view;
    setup.tiers = {
      {tier_kind::memory, caf::actor_cast<tier_actor>(memory),
       std::make_shared<tier_health>(), true, memory_limit},
      {tier_kind::disk, disk_handle, disk_health, true, 1'000'000},
    };
    setup.clock = versions;
    setup.now = clock();
    uut = sys.spawn(coordinator, std::move(setup));
    consume_messages();
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

  std::string on_disk(std::string_view name) {
    auto i = disk->held.find(key(name));
    return i == disk->held.end() ? "(none)"
                                 : std::string{i->second.value.view()};
  }

  void lay_on_disk(std::string_view name, std::string_view value,
                   std::vector<std::string> tags = {}) {
    disk->held[key(name)] = {blob::copy(value), versions->next(now_ms), 0,
                             std::move(tags)};
  }

  lookup get(std::string_view name) {
    return ask<lookups>(uut, fetch_atom_v, keys{key(name)}).front();
  }

  static mutation put(std::string_view name, std::string_view value) {
    mutation x;
    x.key = key(name);
    x.value = blob::copy(value);
    return x;
  }

  static mutation erase(std::string_view name) {
    mutation x;
    x.what = mutation::op::erase;
    x.key = key(name);
    return x;
  }

  static mutation expire(std::string_view name, std::int64_t at) {
    mutation x;
    x.what = mutation::op::expire;
    x.key = key(name);
    x.expires_ms = at;
    return x;
  }

  static mutation when(mutation x, mutation::condition c) {
    x.when = c;
    return x;
  }

  mutation_results apply(mutations xs) {
    return ask<mutation_results>(uut, apply_atom_v, std::move(xs));
  }

  mutation_result apply_one(mutation x) {
    return apply({std::move(x)}).front();
  }

  /// Lets the disk send the answers it holds back.
  void release() {
    caf::anon_send(disk_handle, reset_atom_v);
    consume_messages();
  }

  std::uint64_t counter(const std::string& name) {
    return ask<actor_status>(uut, status_atom_v).counters.at(name);
  }
};

using cond = mutation::condition;

} // namespace

CAF_TEST_FIXTURE_SCOPE(coordinator_tests, fixture)

// -- reading ------------------------------------------------------------------

CAF_TEST(what a lower tier finds climbs into memory) {
  lay_on_disk("k", "v");
  auto x = get("k");
  CAF_REQUIRE(x.hit());
  CAF_CHECK(x.from == tier_kind::disk);
  CAF_CHECK_EQUAL(x.data.value.view(), "v");
  CAF_CHECK_EQUAL(in_memory("k"), "v");
  CAF_CHECK(get("k").from == tier_kind::memory);
  CAF_CHECK_EQUAL(disk->count("fetch k"), 1u);
}

CAF_TEST(promotion can be switched off) {
  cache_options opts;
  opts.promote = false;
  open(opts);
  lay_on_disk("k", "v");
  CAF_CHECK(get("k").hit());
  CAF_CHECK_EQUAL(in_memory("k"), "(none)");
}

CAF_TEST(values too large for memory are not promoted) {
  lay_on_disk("k", std::string(memory_limit + 1, 'x'));
  CAF_CHECK(get("k").hit());
  CAF_CHECK_EQUAL(in_memory("k"), "(none)");
}

CAF_TEST(many who miss a key cause one lookup) {
  lay_on_disk("k", "v");
  disk->hold_fetches = true;
  std::size_t answered = 0;
  for (int i = 0; i < 50; ++i)
    sys.spawn([&, to = uut](caf::event_based_actor* client) {
      client->request(to, caf::infinite, fetch_atom_v, keys{key("k"), key("k")})
        .then([&](const lookups& xs) {
          answered += xs[0].hit() && xs[1].hit() ? 1 : 0;
        });
    });
  consume_messages();
  CAF_CHECK_EQUAL(answered, 0u);
  release();
  CAF_CHECK_EQUAL(answered, 50u);
  CAF_CHECK_EQUAL(disk->count("fetch k"), 1u);
  CAF_CHECK_EQUAL(counter("coalesced"), 99u);
  CAF_CHECK_EQUAL(counter("hits"), counter("fetched_keys"));
}

CAF_TEST(a tier that fails is reported and counted as no miss) {
  disk->fail_fetches = errc::io_failure;
  CAF_CHECK(get("k") == lookup::failed(errc::io_failure));
  disk_health->readable = false;
  CAF_CHECK(get("k") == lookup::failed(errc::breaker_open));
  CAF_CHECK_EQUAL(disk_health->skipped.load(), 1u);
  CAF_CHECK_EQUAL(disk->count("fetch k"), 1u);
  CAF_CHECK_EQUAL(counter("errors"), 2u);
  CAF_CHECK_EQUAL(counter("misses"), 0u);
}

CAF_TEST(a key without tenant is refused alone) {
  lay_on_disk("k", "v");
  auto xs = ask<lookups>(uut, fetch_atom_v, keys{"", key("k")});
  CAF_CHECK(xs[0] == lookup::failed(errc::invalid_argument));
  CAF_CHECK(xs[1].hit());
  CAF_CHECK(apply_one(mutation{}).code == errc::invalid_argument);
}

// -- changing -----------------------------------------------------------------

CAF_TEST(a write is in every tier with the same version) {
  auto x = apply_one(put("k", "v"));
  CAF_CHECK(x.applied);
  CAF_CHECK_EQUAL(in_memory("k"), "v");
  CAF_CHECK_EQUAL(on_disk("k"), "v");
  CAF_CHECK_EQUAL(disk->held[key("k")].version, x.version);
  CAF_CHECK(apply_one(put("k", "w")).version > x.version);
}

CAF_TEST(changes of a batch take effect in order) {
  auto xs = apply({put("a", "1"), erase("a"), erase("a"), put("a", "2"),
                   put("b", "1"), put("b", "2"), erase("b")});
  CAF_CHECK(xs[1].applied);
  CAF_CHECK(!xs[2].applied);
  CAF_CHECK(xs[6].applied);
  CAF_CHECK_EQUAL(in_memory("a"), "2");
  CAF_CHECK_EQUAL(on_disk("a"), "2");
  CAF_CHECK_EQUAL(in_memory("b"), "(none)");
  CAF_CHECK_EQUAL(on_disk("b"), "(none)");
}

CAF_TEST(an erasure says whether any tier had the key) {
  lay_on_disk("k", "v");
  CAF_CHECK(apply_one(erase("k")).applied);
  CAF_CHECK(!apply_one(erase("k")).applied);
}

CAF_TEST(size and hint choose the tiers and the others forget) {
  apply_one(put("k", "small"));
  apply_one(put("k", std::string(memory_limit + 1, 'x')));
  CAF_CHECK_EQUAL(in_memory("k"), "(none)");
  CAF_CHECK_EQUAL(on_disk("k").size(), memory_limit + 1);
  auto hinted = put("k", "hinted");
  hinted.tiers = bit(tier_kind::memory);
  CAF_CHECK(apply_one(hinted).applied);
  CAF_CHECK_EQUAL(in_memory("k"), "hinted");
  CAF_CHECK_EQUAL(on_disk("k"), "(none)");
  CAF_CHECK(apply_one(put("k", std::string(2'000'000, 'x'))).code
            == errc::too_large);
  CAF_CHECK_EQUAL(in_memory("k"), "hinted");
}

CAF_TEST(a write survives the failure of a tier but not of all) {
  disk->fail_stores = errc::no_space;
  CAF_CHECK(apply_one(put("k", "v")).applied);
  CAF_CHECK_EQUAL(in_memory("k"), "v");
  auto only_disk = put("k", "v");
  only_disk.tiers = bit(tier_kind::disk);
  auto x = apply_one(only_disk);
  CAF_CHECK(!x.applied);
  CAF_CHECK(x.code == errc::no_space);
}

CAF_TEST(entries without expiry get the default one) {
  cache_options opts;
  opts.default_ttl = std::chrono::seconds(60);
  open(opts);
  apply_one(put("k", "v"));
  CAF_CHECK_EQUAL(disk->held[key("k")].expires_ms, now_ms + 60'000);
  auto own = put("k", "v");
  own.expires_ms = now_ms + 5;
  apply_one(own);
  CAF_CHECK_EQUAL(disk->held[key("k")].expires_ms, now_ms + 5);
  CAF_CHECK(apply_one(expire("k", 0)).applied);
  CAF_CHECK_EQUAL(disk->held[key("k")].expires_ms, 0);
}

CAF_TEST(conditions are judged against all tiers) {
  lay_on_disk("k", "v");
  auto x = when(put("k", "w"), cond::if_absent);
  x.want_old = true;
  auto result = apply_one(x);
  CAF_CHECK(!result.applied);
  CAF_CHECK(result.had_old);
  CAF_CHECK_EQUAL(result.old.value.view(), "v");
  CAF_CHECK(!apply_one(when(put("new", "w"), cond::if_present)).applied);
  CAF_CHECK(apply_one(when(put("new", "w"), cond::if_absent)).applied);
  CAF_CHECK(apply_one(when(put("new", "x"), cond::if_present)).applied);
  CAF_CHECK_EQUAL(on_disk("new"), "x");
}

CAF_TEST(conditional changes of one batch see each other) {
  auto xs = apply({when(put("k", "1"), cond::if_absent),
                   when(put("k", "2"), cond::if_absent), put("k", "3"),
                   when(put("k", "4"), cond::if_present), erase("k"),
                   when(put("k", "5"), cond::if_present),
                   when(put("k", "6"), cond::if_absent)});
  std::vector<bool> applied;
  for (auto& x : xs)
    applied.push_back(x.applied);
  CAF_CHECK(applied
            == (std::vector{true, false, true, true, true, false, true}));
  CAF_CHECK_EQUAL(in_memory("k"), "6");
  CAF_CHECK_EQUAL(on_disk("k"), "6");
}

CAF_TEST(a plain write right before a condition is seen by it) {
  auto xs = apply({put("k", "1"), when(put("k", "2"), cond::if_absent)});
  CAF_CHECK(!xs[1].applied);
  CAF_CHECK_EQUAL(in_memory("k"), "1");
}

CAF_TEST(changing the expiry follows the conditions) {
  auto at = now_ms + 1000;
  CAF_CHECK(!apply_one(expire("k", at)).applied);
  apply_one(put("k", "v"));
  // No expiry counts as infinitely late.
  CAF_CHECK(!apply_one(when(expire("k", at), cond::if_later)).applied);
  CAF_CHECK(!apply_one(when(expire("k", at), cond::if_present)).applied);
  CAF_CHECK(apply_one(when(expire("k", at), cond::if_earlier)).applied);
  CAF_CHECK(!apply_one(when(expire("k", at), cond::if_absent)).applied);
  CAF_CHECK(apply_one(when(expire("k", at + 1), cond::if_later)).applied);
  CAF_CHECK_EQUAL(disk->held[key("k")].expires_ms, at + 1);
  auto keep = put("k", "w");
  keep.keep_expiry = true;
  CAF_CHECK(apply_one(keep).applied);
  CAF_CHECK_EQUAL(disk->held[key("k")].expires_ms, at + 1);
  CAF_CHECK(apply_one(expire("k", 0)).applied);
  CAF_CHECK(!apply_one(expire("k", 0)).applied);
  CAF_CHECK(apply_one(expire("k", now_ms - 1)).applied);
  CAF_CHECK_EQUAL(on_disk("k"), "(none)");
  CAF_CHECK_EQUAL(in_memory("k"), "(none)");
}

// -- races --------------------------------------------------------------------

CAF_TEST(a write during a lookup keeps its result from being promoted) {
  lay_on_disk("k", "old");
  disk->hold_fetches = true;
  auto pending = self->request(uut, caf::infinite, fetch_atom_v,
                               keys{key("k")});
  consume_messages();
  // The look-up has read the old value; only its answer is late.
  disk->hold_fetches = false;
  apply_one(erase("k"));
  release();
  pending.receive([](lookups& xs) { CAF_CHECK(xs[0].hit()); },
                  [](caf::error&) { CAF_FAIL("error"); });
  CAF_CHECK_EQUAL(in_memory("k"), "(none)");
  CAF_CHECK(!get("k").hit());
  CAF_CHECK_EQUAL(counter("not_kept"), 1u);
}

CAF_TEST(a lookup that comes after a write does not join one from before) {
  lay_on_disk("k", std::string(memory_limit + 1, 'o'));
  disk->hold_fetches = true;
  auto first = self->request(uut, caf::infinite, fetch_atom_v, keys{key("k")});
  consume_messages();
  apply_one(put("k", std::string(memory_limit + 1, 'n')));
  auto second = self->request(uut, caf::infinite, fetch_atom_v, keys{key("k")});
  consume_messages();
  CAF_REQUIRE_EQUAL(disk->waiting.size(), 2u);
  release();
  auto first_byte = [](auto& pending) {
    char c = '?';
    pending.receive([&](lookups& xs) { c = xs[0].data.value.view()[0]; },
                    [](caf::error&) {});
    return c;
  };
  CAF_CHECK_EQUAL(first_byte(first), 'o');
  CAF_CHECK_EQUAL(first_byte(second), 'n');
}

CAF_TEST(an invalidation hides what tiers still hold until it is through) {
  lay_on_disk("k", "old", {"t"});
  get("k");
  auto up_to = versions->next(now_ms);
  selector tag{selector::kind::tag, 0, "t"};
  CAF_CHECK_EQUAL(ask<std::uint64_t>(uut, fence_atom_v, tag, up_to, true), 1u);
  // The disk is not purged yet.
  CAF_CHECK(!get("k").hit());
  CAF_CHECK_EQUAL(in_memory("k"), "(none)");
  // What is written now is newer than the invalidation.
  apply_one(put("k", "new"));
  CAF_CHECK_EQUAL(get("k").data.value.view(), "new");
  caf::anon_send(uut, unfence_atom_v, up_to);
  consume_messages();
  lay_on_disk("l", "v", {"t"});
  CAF_CHECK(get("l").hit());
}

// -- loading ------------------------------------------------------------------

CAF_TEST(one of many loads and all get the value) {
  auto leader = ask<claim>(uut, claim_atom_v, key("k"), std::uint64_t{1000});
  CAF_CHECK(leader.token != 0);
  auto waiting = self->request(uut, caf::infinite, claim_atom_v, key("k"),
                               std::uint64_t{1000});
  consume_messages();
  auto kept = ask<mutation_result>(uut, fulfil_atom_v, leader.token,
                                   put("ignored", "loaded"));
  CAF_CHECK(kept.applied);
  waiting.receive(
    [](claim& x) {
      CAF_CHECK_EQUAL(x.token, 0u);
      CAF_CHECK_EQUAL(x.found.data.value.view(), "loaded");
    },
    [](caf::error&) { CAF_FAIL("error"); });
  CAF_CHECK_EQUAL(in_memory("k"), "loaded");
  CAF_CHECK_EQUAL(on_disk("k"), "loaded");
  auto again = ask<claim>(uut, claim_atom_v, key("k"), std::uint64_t{1000});
  CAF_CHECK(again.found.hit());
  CAF_CHECK_EQUAL(counter("loads"), 1u);
}

CAF_TEST(a failed load fails all who wait and the next may try) {
  auto leader = ask<claim>(uut, claim_atom_v, key("k"), std::uint64_t{1000});
  auto waiting = self->request(uut, caf::infinite, claim_atom_v, key("k"),
                               std::uint64_t{1000});
  consume_messages();
  caf::anon_send(uut, abandon_atom_v, key("k"), leader.token,
                 failure{errc::loader_failed, "boom"});
  consume_messages();
  waiting.receive(
    [](claim&) { CAF_FAIL("value"); },
    [](caf::error& why) {
      CAF_CHECK(to_failure(why) == (failure{errc::loader_failed, "boom"}));
    });
  CAF_CHECK(ask<claim>(uut, claim_atom_v, key("k"), std::uint64_t{1000}).token
            != 0);
}

CAF_TEST(a loader that says nothing loses the duty to one who waits) {
  auto leader = ask<claim>(uut, claim_atom_v, key("k"), std::uint64_t{1000});
  auto waiting = self->request(uut, caf::infinite, claim_atom_v, key("k"),
                               std::uint64_t{1000});
  consume_messages();
  now_ms += 1000;
  advance_time(std::chrono::milliseconds(20));
  consume_messages();
  std::uint64_t token = 0;
  waiting.receive([&](claim& x) { token = x.token; },
                  [](caf::error&) { CAF_FAIL("error"); });
  CAF_CHECK(token != 0);
  CAF_CHECK(token != leader.token);
  CAF_CHECK(ask_failure<mutation_result>(uut, fulfil_atom_v, leader.token,
                                         put("k", "late"))
              .code
            == errc::timeout);
  CAF_CHECK(
    ask<mutation_result>(uut, fulfil_atom_v, token, put("k", "v")).applied);
}

CAF_TEST(a value loaded across an invalidation is not kept) {
  auto leader = ask<claim>(uut, claim_atom_v, key("k"), std::uint64_t{1000});
  auto up_to = versions->next(now_ms);
  ask<std::uint64_t>(uut, fence_atom_v, selector{selector::kind::all, 0, {}},
                     up_to, true);
  caf::anon_send(uut, unfence_atom_v, up_to);
  auto kept = ask<mutation_result>(uut, fulfil_atom_v, leader.token,
                                   put("k", "stale"));
  CAF_CHECK(!kept.applied);
  CAF_CHECK_EQUAL(in_memory("k"), "(none)");
  CAF_CHECK_EQUAL(on_disk("k"), "(none)");
}

// -- shutdown -----------------------------------------------------------------

CAF_TEST(at shutdown everything held is answered first) {
  lay_on_disk("k", "v");
  disk->hold_fetches = true;
  auto pending = self->request(uut, caf::infinite, fetch_atom_v,
                               keys{key("k")});
  consume_messages();
  caf::anon_send_exit(uut, caf::exit_reason::user_shutdown);
  consume_messages();
  auto refused = self->request(uut, caf::infinite, fetch_atom_v,
                               keys{key("l")});
  consume_messages();
  release();
  pending.receive([](lookups& xs) { CAF_CHECK(xs[0].hit()); },
                  [](caf::error&) { CAF_FAIL("error"); });
  refused.receive([](lookups&) { CAF_FAIL("value"); },
                  [](caf::error& why) {
                    CAF_CHECK(to_failure(why).code == errc::shutting_down);
                  });
}

CAF_TEST_FIXTURE_SCOPE_END()
