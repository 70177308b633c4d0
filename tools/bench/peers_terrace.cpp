#include "tools/bench/contestants.hpp"
#include "tools/bench/engine.hpp"

#include <atomic>
#include <chrono>

namespace terrace::bench {

namespace {

class handle_cache {
public:
  explicit handle_cache(const cache& x) : cache_(x) {
    // nop
  }

  void put(std::string_view key, std::string_view value) {
    (void)!cache_.set(key, value);
  }

  template <class F>
  bool get(std::string_view key, F&& use) {
    auto found = cache_.get(key);
    if (!found || !*found)
      return false;
    use((*found)->view());
    return true;
  }

private:
  cache cache_;
};

/// The engine at one moment.
class engine_cache {
public:
  engine_cache(engine& x, std::int64_t now_ms) : engine_(x), now_ms_(now_ms) {
    // nop
  }

  void put(std::string_view key, std::string_view value) {
    engine_.put(key, value, now_ms_);
  }

  template <class F>
  bool get(std::string_view key, F&& use) {
    auto& view = engine_.view();
    auto pinned = view.pin();
    auto* node = view.find(pinned, key, view.hash(key), now_ms_);
    if (!node)
      return false;
    use(node->bytes());
    return true;
  }

private:
  engine& engine_;
  std::int64_t now_ms_;
};

class engine_contestant final : public contestant {
public:
  engine_contestant(const memory_options& opts, std::size_t shards)
    : engine_(opts, shards) {
    // nop
  }

  request_tally run(const request_batch& x) override {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    auto now_ms = now / milliseconds{1};
    auto last = swept_ms_.load();
    if (now_ms - last >= memory_options{}.sweep_interval.count()
        && swept_ms_.compare_exchange_strong(last, now_ms))
      engine_.sweep(now_ms);
    return drive(engine_cache{engine_, now_ms}, x);
  }

  /// Shards by the policy that they go by, if that can change.
  std::string note() override {
    constexpr std::string_view prefix = "policy_in_use_";
    std::string result;
    auto figures = engine_.figures().tier.extra;
    for (auto& [name, shards] : figures)
      if (name.starts_with(prefix) && shards > 0)
        result += ' ' + name.substr(prefix.size()) + ' '
                  + std::to_string(shards) + ',';
    if (result.empty())
      return {};
    return "shards by policy in use:" + result
           + " changes: " + std::to_string(figures["policy_switches"]);
  }

private:
  engine engine_;
  std::atomic<std::int64_t> swept_ms_{0};
};

} // namespace

contestant_ptr make_handle(const contestant_setup& x) {
  return std::make_unique<shared_contestant<handle_cache>>(*x.handle);
}

contestant_ptr make_engine(const contestant_setup& x) {
  memory_options opts;
  opts.max_size = std::uint64_t{1} << 40;
  opts.max_entries = x.capacity;
  opts.policy = x.policy;
  return std::make_unique<engine_contestant>(opts, x.shards);
}

} // namespace terrace::bench
