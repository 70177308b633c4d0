#define CAF_SUITE actors.dictionary_trainer

#include "tests/support/actor_fixture.hpp"

#include "actors/dictionary_trainer.hpp"
#include "tests/support/json_values.hpp"

using namespace terrace;
using namespace terrace::test;

namespace {

compression_options small_options() {
  compression_options result;
  result.dictionary_size = 4096;
  return result;
}

struct fixture : actor_fixture {
  dictionary_set_ptr set = std::make_shared<dictionary_set>(small_options());
  dictionary_trainer_actor uut = sys.spawn(dictionary_trainer, set);

  fixture() {
    consume_messages();
  }

  ~fixture() {
    stop(uut);
  }

  /// Enough for a training.
  void pass(std::string_view key) {
    dictionary_family family{qualify(0, key)};
    for (std::uint64_t i = 0; i < 1400; ++i)
      set->seen(family, json_value(i), 0, 0);
  }

  void tick() {
    advance_time(dictionary_trainer_state::interval);
    consume_messages();
  }

  std::uint64_t counter(const char* name) {
    return ask<actor_status>(uut, status_atom_v).counters.at(name);
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(dictionary_trainer_tests, fixture)

CAF_TEST(it trains all that is due and goes on looking) {
  tick();
  CAF_CHECK_EQUAL(counter("trainings"), 0u);
  pass("user:1");
  pass("item:1");
  CAF_CHECK(set->in_use().empty());
  tick();
  CAF_CHECK_EQUAL(set->in_use().size(), 2u);
  pass("order:1");
  tick();
  CAF_CHECK_EQUAL(set->in_use().size(), 3u);
}

CAF_TEST(its status counts from the last reset) {
  pass("user:1");
  tick();
  CAF_CHECK_EQUAL(counter("trainings"), 1u);
  CAF_CHECK_EQUAL(counter("dictionaries_in_use"), 1u);
  CAF_CHECK_EQUAL(counter("families"), 1u);
  CAF_CHECK_GREATER(counter("samples"), 0u);
  CAF_CHECK_GREATER(counter("dictionary_bytes"), 0u);
  CAF_CHECK_EQUAL(ask<actor_status>(uut, status_atom_v).latency.count(), 1u);
  caf::anon_send(uut, reset_atom_v);
  consume_messages();
  CAF_CHECK_EQUAL(counter("trainings"), 0u);
  CAF_CHECK_EQUAL(counter("samples"), 0u);
  CAF_CHECK_EQUAL(counter("dictionaries_in_use"), 1u);
  CAF_CHECK_EQUAL(ask<actor_status>(uut, status_atom_v).latency.count(), 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
