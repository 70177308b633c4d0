#include "tools/bench/tier_callers.hpp"

#include <future>
#include <random>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

/// Entries in one message when the tier is filled.
constexpr std::size_t fill_batch = 500;

/// Answers between two looks at the clock, which latencies need anyway.
constexpr std::size_t answers_per_look = 64;

/// What became of all callers together.
struct tally {
  std::uint64_t keys = 0;
  failure why;
};

/// What both kinds of callers have in common: each has one message under way.
class callers_state {
public:
  explicit callers_state(caf::event_based_actor* self) : self_(self) {
    // nop
  }

protected:
  void set_up(tier_actor tier, const value_source& values,
              const tier_callers& who, std::promise<tally> done) {
    tier_ = std::move(tier);
    values_ = &values;
    who_ = who;
    done_ = std::move(done);
    open_ = who.count;
  }

  clock_type::time_point start() const {
    return who_.latencies ? clock_type::now() : clock_type::time_point{};
  }

  void answered(clock_type::time_point start, std::size_t keys) {
    tally_.keys += keys;
    if (who_.latencies)
      who_.latencies->add(
        static_cast<std::uint64_t>((clock_type::now() - start).count()));
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
  const value_source* values_ = nullptr; ///< what is right
  tier_callers who_;                     ///< how it is asked
  std::promise<tally> done_;             ///< fulfilled by the last caller
  std::size_t open_ = 0;                 ///< callers that have not left
  tally tally_;                          ///< so far
};

class readers_state : public callers_state {
public:
  static inline const char* name = "terrace.bench.readers";

  using callers_state::callers_state;

  void begin(tier_actor tier, const value_source& values,
             const tier_callers& who, clock_type::time_point end,
             std::promise<tally> done) {
    set_up(std::move(tier), values, who, std::move(done));
    end_ = end;
    draw_ = std::uniform_int_distribution<std::size_t>{0, values.count() - 1};
    for (std::size_t i = 0; i < who.count; ++i)
      ask();
  }

private:
  /// One reader's next look-up.
  void ask() {
    keys wanted;
    std::vector<std::size_t> numbers;
    for (std::size_t n = 0; n < who_.batch; ++n) {
      numbers.push_back(draw_(random_));
      wanted.push_back(values_->qualified_key(numbers.back()));
    }
    self_->request(tier_, caf::infinite, fetch_atom_v, std::move(wanted))
      .then([this, numbers = std::move(numbers),
             at = start()](const lookups& found) { check(numbers, found, at); },
            [this](const caf::error& why) { stop(to_failure(why)); });
  }

  void check(const std::vector<std::size_t>& numbers, const lookups& found,
             clock_type::time_point at) {
    answered(at, found.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      auto& x = found.at(i);
      if (x.what == lookup::outcome::error)
        return stop({x.code, "the tier"});
      if (!x.hit() || !values_->is_value_of(numbers[i], x.data.value.view()))
        return stop({errc::corrupt, "wrong value for key number "
                                      + std::to_string(numbers[i])});
    }
    if (goes_on())
      ask();
    else
      leave();
  }

  bool goes_on() {
    if (++answers_ % answers_per_look == 0 && clock_type::now() >= end_)
      ended_ = true;
    return !ended_ && !tally_.why;
  }

  clock_type::time_point end_; ///< when nobody asks any more
  std::uint64_t answers_ = 0;  ///< messages
  bool ended_ = false;         ///< it was seen to be over
  std::mt19937_64 random_{1};
  std::uniform_int_distribution<std::size_t> draw_;
};

class writers_state : public callers_state {
public:
  static inline const char* name = "terrace.bench.writers";

  using callers_state::callers_state;

  void begin(tier_actor tier, const value_source& values,
             const tier_callers& who, std::span<const std::uint32_t> numbers,
             version_t version, std::promise<tally> done) {
    set_up(std::move(tier), values, who, std::move(done));
    rest_ = numbers;
    version_ = version;
    for (std::size_t i = 0; i < who.count; ++i)
      ask();
  }

private:
  /// One writer's next batch.
  void ask() {
    if (rest_.empty() || tally_.why)
      return leave();
    entries xs;
    auto n = std::min(who_.batch, rest_.size());
    for (auto i : rest_.first(n))
      xs.push_back(
        {values_->qualified_key(i), {values_->make(i), version_++, 0, {}}});
    rest_ = rest_.subspan(n);
    self_
      ->request(tier_, caf::infinite, store_atom_v, entry_batch{std::move(xs)})
      .then([this,
             at = start()](const store_report& x) { acknowledged(x, at); },
            [this](const caf::error& why) { stop(to_failure(why)); });
  }

  void acknowledged(const store_report& x, clock_type::time_point at) {
    answered(at, x.stored);
    if (x.failed > 0)
      stop(x.why);
    else if (x.refused > 0)
      stop({errc::io_failure, "the tier refused a value"});
    else
      ask();
  }

  std::span<const std::uint32_t> rest_; ///< numbers of keys to write
  version_t version_ = 0;               ///< of the next one
};

} // namespace

expected<void> fill_tier(caf::actor_system& sys, const tier_handle& tier,
                         const value_source& values) {
  caf::scoped_actor self{sys};
  failure why;
  for (std::size_t at = 0; at < values.count() && !why;) {
    entries xs;
    for (; at < values.count() && xs.size() < fill_batch; ++at)
      xs.push_back({values.qualified_key(at), {values.make(at), 1, 0, {}}});
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
                             const value_source& values,
                             const tier_callers& who,
                             std::chrono::duration<double> length) {
  std::promise<tally> done;
  auto result = done.get_future();
  auto begin = clock_type::now();
  auto end = begin + std::chrono::duration_cast<clock_type::duration>(length);
  sys.spawn([&](caf::stateful_actor<readers_state>* self) {
    self->state.begin(tier.actor, values, who, end, std::move(done));
  });
  auto x = result.get();
  if (x.why)
    return x.why;
  auto took = std::chrono::duration<double>(clock_type::now() - begin);
  return static_cast<double>(x.keys) / took.count();
}

expected<void> run_writers(caf::actor_system& sys, const tier_handle& tier,
                           const value_source& values, const tier_callers& who,
                           std::span<const std::uint32_t> numbers,
                           version_t version) {
  std::promise<tally> done;
  auto result = done.get_future();
  sys.spawn([&](caf::stateful_actor<writers_state>* self) {
    self->state.begin(tier.actor, values, who, numbers, version,
                      std::move(done));
  });
  auto x = result.get();
  if (x.why)
    return x.why;
  return {};
}

} // namespace terrace::bench
