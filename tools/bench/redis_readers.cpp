#include "tools/bench/redis_readers.hpp"

#include <future>
#include <random>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

/// Entries in one message when the server is filled.
constexpr std::size_t fill_batch = 500;

/// Answers between two looks at the clock.
constexpr std::size_t answers_per_look = 64;

/// What became of all readers together.
struct tally {
  std::uint64_t answers = 0;
  failure why;
};

class readers_state {
public:
  static inline const char* name = "terrace.bench.readers";

  explicit readers_state(caf::event_based_actor* self) : self_(self) {
    // nop
  }

  void begin(tier_actor tier, const redis_values* values, std::size_t count,
             clock_type::time_point end, std::promise<tally> done) {
    tier_ = std::move(tier);
    values_ = values;
    end_ = end;
    done_ = std::move(done);
    draw_ = std::uniform_int_distribution<std::size_t>{0, values->count() - 1};
    open_ = count;
    for (std::size_t i = 0; i < count; ++i)
      ask();
  }

private:
  /// One reader's next look-up.
  void ask() {
    auto i = draw_(random_);
    self_
      ->request(tier_, caf::infinite, fetch_atom_v,
                keys{qualify(0, values_->key(i))})
      .then([this, i](const lookups& found) { answered(i, found.at(0)); },
            [this](const caf::error& why) { stop(to_failure(why)); });
  }

  void answered(std::size_t i, const lookup& x) {
    if (x.what == lookup::outcome::error)
      stop({x.code, "the tier"});
    else if (!x.hit() || !values_->is_value_of(i, x.data.value.view()))
      stop({errc::corrupt, "wrong value for " + values_->key(i)});
    else if (++tally_.answers; goes_on())
      ask();
    else
      leave();
  }

  bool goes_on() {
    if (tally_.answers % answers_per_look == 0 && clock_type::now() >= end_)
      ended_ = true;
    return !ended_ && !tally_.why;
  }

  void stop(failure why) {
    if (!tally_.why)
      tally_.why = std::move(why);
    leave();
  }

  void leave() {
    if (--open_ == 0)
      done_.set_value(std::move(tally_));
  }

  caf::event_based_actor* self_;         ///< the actor
  tier_actor tier_;                      ///< which is asked
  const redis_values* values_ = nullptr; ///< what is right
  clock_type::time_point end_;           ///< when nobody asks any more
  bool ended_ = false;                   ///< it was seen to be over
  std::promise<tally> done_;             ///< fulfilled by the last reader
  std::size_t open_ = 0;                 ///< readers that wait
  tally tally_;
  std::mt19937_64 random_{1};
  std::uniform_int_distribution<std::size_t> draw_;
};

} // namespace

expected<void> fill_tier(caf::actor_system& sys, const tier_handle& tier,
                         const redis_values& values) {
  caf::scoped_actor self{sys};
  failure why;
  for (std::size_t at = 0; at < values.count() && !why;) {
    entries xs;
    for (; at < values.count() && xs.size() < fill_batch; ++at)
      xs.push_back({qualify(0, values.key(at)), {values.make(at), 1, 0, {}}});
    self
      ->request(tier.actor, caf::infinite, store_atom_v,
                entry_batch{std::move(xs)})
      .receive([&](store_report& x) { why = std::move(x.why); },
               [&](caf::error& x) { why = to_failure(x); });
  }
  if (why)
    return why;
  return {};
}

expected<double> run_readers(caf::actor_system& sys, const tier_handle& tier,
                             const redis_values& values, std::size_t count,
                             std::chrono::duration<double> length) {
  std::promise<tally> done;
  auto result = done.get_future();
  auto begin = clock_type::now();
  auto end = begin + std::chrono::duration_cast<clock_type::duration>(length);
  sys.spawn([&](caf::stateful_actor<readers_state>* self) {
    self->state.begin(tier.actor, &values, count, end, std::move(done));
  });
  auto x = result.get();
  if (x.why)
    return x.why;
  auto took = std::chrono::duration<double>(clock_type::now() - begin);
  return static_cast<double>(x.answers) / took.count();
}

} // namespace terrace::bench
