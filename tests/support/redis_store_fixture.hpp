/// The Redis engine over a server that the test starts, at a time that stands.
#pragma once

#include "tests/support/redis_server.hpp"
#include "tests/support/topology.hpp"
#include "tiers/redis_store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace terrace::test {

/// Time of all operations unless a test says otherwise.
inline constexpr std::int64_t now = 1'700'000'000'000;

inline constexpr std::int64_t hour = 3'600'000;

struct redis_store_fixture {
  redis_options opts;
  std::shared_ptr<codec> coder = std::make_shared<codec>(compression_options{});
  std::shared_ptr<redis_figures> figures = std::make_shared<redis_figures>();
  std::optional<redis_server> server;
  std::optional<redis_store> store;

  /// Starts a server and connects to it.
  void start(std::vector<std::string> arguments = {}) {
    server.emplace(std::move(arguments));
    connect(server->url());
  }

  void connect(const std::string& url) {
    store.emplace(opts, make_topology(opts, url), coder, figures,
                  "terrace-test");
  }

  static entry make(std::string_view key, version_t version,
                    std::string_view value = "value",
                    std::int64_t expires_ms = 0,
                    std::vector<std::string> tags = {}) {
    return {qualify(0, key),
            {blob::copy(value), version, expires_ms, std::move(tags)}};
  }

  store_report put(const entry& x, bool if_absent = false,
                   std::int64_t at = now) {
    return store->put({&x, 1}, if_absent, at);
  }

  lookup find(std::string_view key, std::int64_t at = now) {
    std::string k = qualify(0, key);
    return store->fetch({&k, 1}, at).at(0);
  }

  remove_report remove(std::string_view key, version_t version) {
    removal x{qualify(0, key), version};
    return store->remove({&x, 1}, now);
  }

  std::uint64_t counter(const char* name) {
    counter_map all;
    figures->fill(all);
    return all[name];
  }
};

inline bool failed_with(const lookup& x, errc code) {
  return x.what == lookup::outcome::error && x.code == code;
}

} // namespace terrace::test
