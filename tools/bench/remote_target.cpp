#include "tools/bench/replay_target.hpp"
#include "tools/common/node_client.hpp"

namespace terrace::bench {

namespace {

class remote_session final : public replay_session {
public:
  remote_session(resp_client client, std::int64_t ttl_ms)
    : client_(std::move(client)), ttl_ms_(ttl_ms) {
    // nop
  }

  expected<step> request(const std::string& key, std::size_t size,
                         origin& source) override {
    step result;
    auto hit = client_.get(key, value_);
    if (!hit && hit.error().code == errc::unavailable)
      return hit.error();
    result.failed = !hit;
    if (hit && *hit) {
      result.wrong = !origin::is_value_of(value_, key, size);
      return result;
    }
    result.loaded = true;
    auto stored = client_.set(key, source.fetch(key, size), ttl_ms_);
    if (!stored && stored.error().code == errc::unavailable)
      return stored.error();
    result.failed = result.failed || !stored;
    return result;
  }

private:
  resp_client client_;
  std::int64_t ttl_ms_;
  std::string value_;
};

class remote final : public replay_target {
public:
  remote(endpoint node, std::string http_url, std::uint32_t tenant,
         std::int64_t ttl_ms)
    : node_(std::move(node)),
      http_url_(std::move(http_url)),
      tenant_(tenant),
      ttl_ms_(ttl_ms) {
    // nop
  }

  std::string describe() const override {
    return "over RESP to " + node_.host + ':' + std::to_string(node_.port);
  }

  expected<std::unique_ptr<replay_session>> open() override {
    auto client = resp_client::connect(node_, tenant_);
    if (!client)
      return client.error();
    return std::unique_ptr<replay_session>{
      std::make_unique<remote_session>(*std::move(client), ttl_ms_)};
  }

  expected<std::uint64_t> size() override {
    auto client = resp_client::connect(node_, tenant_);
    if (!client)
      return client.error();
    return client->size();
  }

  expected<void> clear() override {
    auto client = resp_client::connect(node_, tenant_);
    if (!client)
      return client.error();
    return client->flush();
  }

  expected<node_stats> stats() override {
    auto client = node_client::open(http_url_);
    if (!client)
      return client.error();
    auto body = client->get_ok("/api/v1/cache/stats");
    if (!body)
      return body.error();
    return parse_stats(*body);
  }

private:
  endpoint node_;
  std::string http_url_;
  std::uint32_t tenant_;
  std::int64_t ttl_ms_;
};

} // namespace

replay_target_ptr remote_target(const endpoint& node,
                                const std::string& http_url,
                                std::uint32_t tenant, std::int64_t ttl_ms) {
  return std::make_unique<remote>(node, http_url, tenant, ttl_ms);
}

} // namespace terrace::bench
