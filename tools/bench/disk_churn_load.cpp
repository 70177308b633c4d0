#include "tools/bench/disk_churn_load.hpp"

#include <cmath>
#include <cstring>

namespace terrace::bench {

namespace {

constexpr std::uint64_t large_min = 1ull << 20;
constexpr std::uint64_t large_max = 64ull << 20;
constexpr unsigned one_large_in = 500;

/// Places at which the noise of a value may begin.
constexpr std::size_t noise_places = 1 << 16;

/// Log-uniform from `min` to `max`.
double draw(double min, double max, std::mt19937_64& random) {
  std::uniform_real_distribution<double> exponent{std::log(min), std::log(max)};
  return std::exp(exponent(random));
}

/// The mean of that.
double mean(double min, double max) {
  return min < max ? (max - min) / std::log(max / min) : min;
}

std::string key_of(std::uint64_t i) {
  return qualify(0, "churn:" + std::to_string(i));
}

class churn_state {
public:
  static inline const char* name = "terrace.bench.churn";

  explicit churn_state(caf::event_based_actor* self) : self_(self) {
    // nop
  }

  void begin(tier_actor tier, const churn_values& values,
             const disk_churn_options& opts, churn_counters& counters,
             const std::atomic<bool>& done, std::promise<void> ended) {
    tier_ = std::move(tier);
    values_ = &values;
    counters_ = &counters;
    done_ = &done;
    ended_ = std::move(ended);
    write_share_ = opts.write_share;
    random_.seed(opts.seed);
    popularity_.emplace(values.keys(), opts.skew);
    open_ = opts.callers;
    for (std::size_t i = 0; i < opts.callers; ++i)
      next();
  }

private:
  void next() {
    if (*done_) {
      if (--open_ == 0)
        ended_.set_value();
      return;
    }
    auto i = (*popularity_)(random_);
    if (std::uniform_real_distribution<>{0, 1}(random_) < write_share_)
      write(i);
    else
      read(i);
  }

  void read(std::uint64_t i) {
    self_->request(tier_, caf::infinite, fetch_atom_v, keys{key_of(i)})
      .then([this, i](const lookups& found) { answered(i, found.at(0)); },
            [this](const caf::error&) { failed(); });
  }

  void answered(std::uint64_t i, const lookup& x) {
    if (x.what == lookup::outcome::error)
      return failed();
    if (x.hit()) {
      ++counters_->hits;
      if (!values_->is_value_of(i, x.data.value.view()))
        ++counters_->wrong;
      return next();
    }
    ++counters_->misses;
    write(i);
  }

  void write(std::uint64_t i) {
    entries xs{{key_of(i), {values_->make(i, random_), ++version_, 0, {}}}};
    auto bytes = xs[0].key.size() + xs[0].data.value.size();
    self_
      ->request(tier_, caf::infinite, store_atom_v, entry_batch{std::move(xs)})
      .then([this, bytes](const store_report& x) { stored(bytes, x); },
            [this](const caf::error&) { failed(); });
  }

  void stored(std::uint64_t bytes, const store_report& x) {
    if (x.failed > 0)
      return failed();
    ++counters_->writes;
    if (x.stored > 0)
      counters_->accepted += bytes;
    counters_->refused += x.refused;
    next();
  }

  void failed() {
    ++counters_->failed;
    next();
  }

  caf::event_based_actor* self_;            ///< the actor
  tier_actor tier_;                         ///< under load
  const churn_values* values_ = nullptr;    ///< what is written
  churn_counters* counters_ = nullptr;      ///< what happened
  const std::atomic<bool>* done_ = nullptr; ///< nobody asks any more
  std::promise<void> ended_;                ///< fulfilled by the last caller
  double write_share_ = 0;                  ///< of requests
  std::size_t open_ = 0;                    ///< callers that have not left
  version_t version_ = 0;                   ///< last one written
  std::mt19937_64 random_;
  std::optional<zipf> popularity_; ///< which key is next
};

} // namespace

churn_values::churn_values(const disk_churn_options& opts)
  : min_(std::max(opts.min_value, std::uint64_t{sizeof(head)})),
    max_(std::max(opts.max_value, min_)),
    large_(opts.large) {
  auto size = mean(static_cast<double>(min_), static_cast<double>(max_));
  if (large_)
    size += mean(large_min, large_max) / one_large_in;
  auto all = opts.working_set * static_cast<double>(opts.max_size);
  keys_ = static_cast<std::size_t>(std::max(all / size, 1.0));
  noise_.resize(noise_places + (large_ ? std::max(max_, large_max) : max_));
  std::mt19937_64 random{1};
  for (auto& x : noise_)
    x = static_cast<char>(random());
}

std::uint64_t churn_values::draw_size(std::mt19937_64& random) const {
  auto is_large = large_ && random() % one_large_in == 0;
  auto x = is_large ? draw(large_min, large_max, random)
                    : draw(static_cast<double>(min_), static_cast<double>(max_),
                           random);
  return std::clamp(static_cast<std::uint64_t>(x), is_large ? large_min : min_,
                    is_large ? large_max : max_);
}

const char* churn_values::noise_of(const head& x) const noexcept {
  return noise_.data() + (x.number * 31 + x.size) % noise_places;
}

blob churn_values::make(std::uint64_t i, std::mt19937_64& random) const {
  head x{i, draw_size(random)};
  return blob::build(x.size, [&](char* out) {
    std::memcpy(out, &x, sizeof(x));
    std::memcpy(out + sizeof(x), noise_of(x), x.size - sizeof(x));
  });
}

bool churn_values::is_value_of(std::uint64_t i,
                               std::string_view x) const noexcept {
  head y;
  if (x.size() < sizeof(y))
    return false;
  std::memcpy(&y, x.data(), sizeof(y));
  return y.number == i && y.size == x.size()
         && std::memcmp(x.data() + sizeof(y), noise_of(y), x.size() - sizeof(y))
              == 0;
}

std::future<void>
run_churn(caf::actor_system& sys, const tier_handle& tier,
          const churn_values& values, const disk_churn_options& opts,
          churn_counters& counters, const std::atomic<bool>& done) {
  // The actor begins later, maybe after this function has returned.
  auto ended = std::make_shared<std::promise<void>>();
  auto result = ended->get_future();
  sys.spawn([&values, &opts, &counters, &done, ended,
             actor = tier.actor](caf::stateful_actor<churn_state>* self) {
    self->state.begin(actor, values, opts, counters, done, std::move(*ended));
  });
  return result;
}

} // namespace terrace::bench
