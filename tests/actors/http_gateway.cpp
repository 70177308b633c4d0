// The gateway's endpoints over a real socket, with invented actors behind them.
#define CAF_SUITE actors.http_gateway

#include "actors/http_gateway.hpp"

#include <caf/test/unit_test.hpp>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include <mutex>

using namespace terrace;
using nlohmann::json;

namespace {

struct config : caf::actor_system_config {
  config() {
    add_terrace_types(*this);
  }
};

/// What the invented actors answer, and what they were asked.
struct world {
  std::mutex mutex;
  node_report report;
  failure trouble; ///< answered instead, if set
  std::vector<selector> invalidated;
  std::vector<std::string> reasons;
  std::vector<caf::actor> joined;
  std::size_t resets = 0;
};

metrics_actor::behavior_type fake_metrics(metrics_actor::pointer, world* x) {
  return {
    [=](report_atom) -> caf::result<node_report> {
      std::lock_guard lock{x->mutex};
      if (x->trouble)
        return make_error(x->trouble);
      return x->report;
    },
    [=](reset_atom) {
      std::lock_guard lock{x->mutex};
      ++x->resets;
      for (auto& to : x->joined)
        caf::anon_send(to, reset_atom_v);
    },
    [=](caf::join_atom, const std::string&, const caf::actor& who) {
      std::lock_guard lock{x->mutex};
      x->joined.push_back(who);
    },
  };
}

invalidator_actor::behavior_type fake_invalidator(invalidator_actor::pointer,
                                                  world* x) {
  return {
    [=](invalidate_atom, const selector& what,
        const std::string& reason) -> caf::result<invalidation_report> {
      std::lock_guard lock{x->mutex};
      if (x->trouble)
        return make_error(x->trouble);
      x->invalidated.push_back(what);
      x->reasons.push_back(reason);
      return invalidation_report{{{"memory", 2}}, {"redis"}};
    },
    [](forget_atom, const selector&, version_t) {
      return invalidation_report{};
    },
    [](status_atom) { return actor_status{}; },
    [](reset_atom) {},
  };
}

struct fixture {
  world x;
  std::atomic<std::int64_t> now_ms{5'000};
  config cfg;
  caf::actor_system sys{cfg};
  metrics_actor metrics = sys.spawn(fake_metrics, &x);
  invalidator_actor invalidator = sys.spawn(fake_invalidator, &x);
  std::unique_ptr<http_gateway> gateway;
  std::unique_ptr<httplib::Client> client;

  fixture() {
    tier_status memory;
    memory.tier = tier_kind::memory;
    tier_status redis;
    redis.tier = tier_kind::redis;
    redis.state = "down";
    redis.reason = "Connection refused";
    x.report.tiers = {memory, redis};
    x.report.started_ms = 1'000;
    x.report.taken_ms = 9'000;
    http_options opts;
    opts.port = 0;
    auto started = http_gateway::start(opts, {sys, metrics, invalidator,
                                              [this] { return now_ms.load(); },
                                              16, "1.2.3"});
    CAF_REQUIRE(started);
    gateway = *std::move(started);
    client = std::make_unique<httplib::Client>("127.0.0.1", gateway->port());
  }

  ~fixture() {
    gateway.reset();
    for (auto& to : x.joined)
      caf::anon_send_exit(to, caf::exit_reason::user_shutdown);
    x.joined.clear();
    caf::anon_send_exit(metrics, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(invalidator, caf::exit_reason::user_shutdown);
  }

  httplib::Response get(const std::string& path) {
    auto result = client->Get(path);
    CAF_REQUIRE(result);
    return *result;
  }

  httplib::Response post(const std::string& path, const std::string& body,
                         const httplib::Headers& headers = {}) {
    auto result = client->Post(path, headers, body, "application/json");
    CAF_REQUIRE(result);
    return *result;
  }

  void check_error(const httplib::Response& in, int status,
                   const std::string& code, const std::string& message) {
    CAF_CHECK_EQUAL(in.status, status);
    auto error = json::parse(in.body)["error"];
    CAF_CHECK_EQUAL(error["code"], code);
    CAF_CHECK_EQUAL(error["message"], message);
  }

  void fail_with(errc code) {
    std::lock_guard lock{x.mutex};
    x.trouble = {code, "why"};
  }
};

const std::string base = "/api/v1/cache";

} // namespace

CAF_TEST_FIXTURE_SCOPE(http_gateway_tests, fixture)

CAF_TEST(health is 200 while a tier serves) {
  for (auto& path : {std::string{"/health"}, base + "/health"}) {
    auto in = get(path);
    CAF_CHECK_EQUAL(in.status, 200);
    CAF_CHECK_EQUAL(in.get_header_value("Content-Type"), "application/json");
    auto body = json::parse(in.body);
    CAF_CHECK_EQUAL(body["status"], "degraded");
    CAF_CHECK_EQUAL(body["version"], "1.2.3");
    CAF_CHECK_EQUAL(body["uptime_s"], 8);
    CAF_CHECK_EQUAL(body["tiers"][1]["reason"], "Connection refused");
  }
}

CAF_TEST(health is 503 when no tier serves) {
  x.report.tiers[0].state = "down";
  auto in = get("/health");
  CAF_CHECK_EQUAL(in.status, 503);
  auto body = json::parse(in.body);
  CAF_CHECK_EQUAL(body["status"], "down");
}

CAF_TEST(stats and performance and metrics are served) {
  auto stats = json::parse(get(base + "/stats").body);
  CAF_CHECK_EQUAL(stats["tiers"].size(), 2u);
  auto performance = json::parse(get(base + "/performance").body);
  CAF_CHECK_EQUAL(performance["window_s"], 4.0);
  auto metrics_page = get("/metrics");
  CAF_CHECK_EQUAL(metrics_page.get_header_value("Content-Type"),
                  "text/plain; version=0.0.4; charset=utf-8");
  CAF_CHECK(metrics_page.body.starts_with("# HELP terrace_build_info "));
}

CAF_TEST(clear passes the selection on and reports) {
  auto in = post(base + "/clear",
                 R"({"pattern": "user:*", "tenant": 2, "reason": "test"})");
  CAF_CHECK_EQUAL(in.status, 200);
  auto body = json::parse(in.body);
  CAF_CHECK_EQUAL(body["removed"]["memory"], 2);
  CAF_CHECK_EQUAL(body["pending"][0], "redis");
  CAF_REQUIRE_EQUAL(x.invalidated.size(), 1u);
  CAF_CHECK_EQUAL(x.invalidated[0],
                  (selector{selector::kind::glob, 2, "user:*"}));
  CAF_CHECK_EQUAL(x.reasons[0], "test");
}

CAF_TEST(clear says what is wrong with a body) {
  check_error(post(base + "/clear", "{"), 400, "invalid_argument",
              "the body is not valid JSON");
  check_error(post(base + "/clear", R"({"tenant": 16})"), 400,
              "invalid_argument", "\"tenant\" must be an integer from 0 to 15");
  CAF_CHECK(x.invalidated.empty());
}

CAF_TEST(a page of another site can change nothing) {
  auto message = "The request comes from a page of another site.";
  httplib::Headers foreign{{"Origin", "http://evil.example"}};
  check_error(post(base + "/clear", R"({"all": true})", foreign), 403,
              "forbidden", message);
  check_error(post(base + "/reset", "", foreign), 403, "forbidden", message);
  CAF_CHECK(x.invalidated.empty());
  auto own = "http://127.0.0.1:" + std::to_string(gateway->port());
  CAF_CHECK_EQUAL(
    post(base + "/clear", R"({"all": true})", {{"Origin", own}}).status, 200);
}

CAF_TEST(reset starts counting anew) {
  now_ms = 7'000;
  CAF_CHECK_EQUAL(post(base + "/reset", "").status, 200);
  // The reset arrives after the answer; the report asked for later comes behind
  // it in the mailbox of the metrics, but not in that of the gateway's actor.
  auto since = [&] {
    auto stats = json::parse(get(base + "/stats").body);
    return stats["node"]["counting_since_ms"].get<int>();
  };
  while (since() != 7'000)
    std::this_thread::yield();
  CAF_CHECK_EQUAL(x.resets, 1u);
}

CAF_TEST(actors that fail are a 503 that says why) {
  fail_with(errc::shutting_down);
  for (auto& path : {std::string{"/health"}, std::string{"/metrics"}}) {
    auto in = get(path);
    CAF_CHECK_EQUAL(in.status, 503);
    auto error = json::parse(in.body)["error"];
    CAF_CHECK_EQUAL(error["code"], "shutting_down");
  }
  CAF_CHECK_EQUAL(post(base + "/clear", R"({"key": "a"})").status, 503);
}

CAF_TEST(what is not built yet is not there) {
  check_error(get(base + "/access-patterns"), 404, "not_found",
              "There is no such path.");
  check_error(post(base + "/warmup", "{}"), 404, "not_found",
              "There is no such path.");
}

CAF_TEST(the gateway reports its own figures) {
  get("/health");
  get("/nothing");
  caf::scoped_actor self{sys};
  for (;;) {
    std::lock_guard lock{x.mutex};
    if (!x.joined.empty())
      break;
  }
  actor_status status;
  self->request(x.joined[0], caf::infinite, status_atom_v)
    .receive([&](actor_status& in) { status = in; },
             [](caf::error&) { CAF_FAIL("no status"); });
  CAF_CHECK_EQUAL(status.counters["requests"], 2u);
  CAF_CHECK_EQUAL(status.counters["client_errors"], 1u);
  CAF_CHECK_EQUAL(status.latency.count(), 1u);
}

CAF_TEST_FIXTURE_SCOPE_END()
