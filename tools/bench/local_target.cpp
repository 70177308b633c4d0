#include "tools/bench/local_node.hpp"
#include "tools/bench/replay_target.hpp"

namespace terrace::bench {

namespace {

class local_session final : public replay_session {
public:
  local_session(cache handle, std::int64_t ttl_ms) : cache_(std::move(handle)) {
    load_.set.ttl = std::chrono::milliseconds(ttl_ms);
  }

  expected<step> request(const std::string& key, std::size_t size,
                         origin& source) override {
    step result;
    auto value = cache_.get_or_load(
      key,
      [&]() -> expected<blob> {
        result.loaded = true;
        return blob::copy(source.fetch(key, size));
      },
      load_);
    if (!value && value.error().code == errc::shutting_down)
      return value.error();
    result.failed = !value;
    result.wrong = value && !origin::is_value_of(value->view(), key, size);
    return result;
  }

private:
  cache cache_;
  load_options load_;
};

class local final : public replay_target {
public:
  local(local_node node, std::uint32_t tenant, std::int64_t ttl_ms)
    : node_(std::move(node)),
      tenant_(static_cast<tenant_id>(tenant)),
      ttl_ms_(ttl_ms) {
    // nop
  }

  std::string describe() const override {
    return "in process, " + node_.tiers();
  }

  expected<std::unique_ptr<replay_session>> open() override {
    return std::unique_ptr<replay_session>{
      std::make_unique<local_session>(node_.running->cache(tenant_), ttl_ms_)};
  }

  expected<std::uint64_t> size() override {
    auto x = node_.stats();
    if (!x)
      return x.error();
    std::uint64_t result = 0;
    for (auto& tier : x->tiers)
      result = std::max(result, tier.entries);
    return result;
  }

  expected<void> clear() override {
    auto x = node_.running->cache(tenant_).clear();
    if (!x)
      return x.error();
    return {};
  }

  expected<node_stats> stats() override {
    return node_.stats();
  }

private:
  local_node node_;
  tenant_id tenant_;
  std::int64_t ttl_ms_;
};

} // namespace

expected<replay_target_ptr>
local_target(const std::string& config_file,
             const std::vector<std::string>& settings, std::uint32_t tenant,
             std::int64_t ttl_ms) {
  auto node = start_local_node(config_file, settings);
  if (!node)
    return node.error();
  return replay_target_ptr{
    std::make_unique<local>(*std::move(node), tenant, ttl_ms)};
}

} // namespace terrace::bench
