/// The operators' command: asks a node over HTTP and shows what it answers.
///
/// Exit codes: 0 done; 1 the node cannot be reached, refuses, or is not
/// healthy; 2 bad command line.
#include "actors/invalidation_request.hpp"
#include "tools/common/node_client.hpp"
#include "tools/common/text_table.hpp"
#include "tools/terrace/status_view.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <iostream>
#include <thread>

namespace {

using namespace terrace;

constexpr int exit_failed = 1;
constexpr int exit_bad_usage = 2;

const std::string api = "/api/v1/cache";

int fail(const failure& why) {
  std::cerr << "terrace: " << why.detail << '\n';
  return exit_failed;
}

/// Prints what the node answers.
int show(const expected<std::string>& x) {
  if (!x)
    return fail(x.error());
  std::cout << *x;
  return 0;
}

expected<node_stats> fetch_stats(node_client& node) {
  auto body = node.get_ok(api + "/stats");
  if (!body)
    return body.error();
  auto result = parse_stats(*body);
  if (!result)
    return failure{result.error().code, "the answer is not that of a Terrace "
                                        "node of this version"};
  return result;
}

int status(node_client& node) {
  auto x = fetch_stats(node);
  return x ? show(status_page(*x)) : fail(x.error());
}

int health(node_client& node) {
  auto x = fetch_stats(node);
  if (!x)
    return fail(x.error());
  std::cout << health_page(*x);
  return x->status == "ok" ? 0 : exit_failed;
}

/// Runs until it is interrupted; outlives restarts of the node.
int watch(node_client& node) {
  using clock = std::chrono::steady_clock;
  auto clear = ::isatty(STDOUT_FILENO) ? "\x1b[H\x1b[2J" : "";
  std::optional<node_stats> before;
  auto then = clock::now();
  for (;;) {
    auto x = fetch_stats(node);
    auto now = clock::now();
    auto seconds = std::chrono::duration<double>(now - then).count();
    if (x)
      std::cout << clear << watch_page(*x, before ? *before : *x, seconds)
                << std::endl;
    else
      std::cout << clear << x.error().detail << std::endl;
    if (!std::cout)
      return exit_failed; // nobody reads any more
    before = x ? std::optional{*x} : std::nullopt;
    then = now;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

int invalidate(node_client& node, const invalidation_request& what) {
  auto body = node.post_ok(api + "/clear", to_json(what));
  if (!body)
    return fail(body.error());
  auto x = nlohmann::json::parse(*body, nullptr, false);
  if (!x.is_object() || !x.contains("removed") || !x.contains("pending"))
    return fail({errc::protocol_violation, "the answer makes no sense"});
  text_table removed{{"tier", "removed"}};
  for (auto& [tier, n] : x["removed"].items())
    removed.add({tier, count_text(n.get<std::uint64_t>())});
  std::cout << removed.str();
  for (auto& tier : x["pending"])
    std::cout << tier.get<std::string>()
              << " cannot be reached; it hides the entries until it can\n";
  return 0;
}

int reset(node_client& node) {
  auto x = node.post_ok(api + "/reset", "");
  return x ? show(std::string{"Counters are back to zero.\n"})
           : fail(x.error());
}

/// The flags of `terrace invalidate`; exactly one of them is given.
struct selection {
  std::string key;
  std::string prefix;
  std::string glob;
  std::string tag;
  bool all = false;
  CLI::Option* tenant = nullptr;
  invalidation_request request;

  void declare(CLI::App& app) {
    auto what = app.add_option_group("what", "exactly one of");
    what->add_option("--key", key, "this key");
    what->add_option("--prefix", prefix, "keys that begin so");
    what->add_option("--glob", glob, "keys that match, as in Redis' KEYS");
    what->add_option("--tag", tag, "entries that carry this tag");
    what->add_flag("--all", all, "everything, of all tenants");
    what->require_option(0, 1);
    tenant = app.add_option("--tenant", request.what.tenant,
                            "of this tenant, by default 0; alone: all of it");
    app.add_option("--reason", request.reason, "for the node's log")
      ->default_str("asked for by terrace invalidate");
    request.reason = "asked for by terrace invalidate";
  }

  /// Throws `CLI::ValidationError` if the flags do not say what to remove.
  invalidation_request read() {
    auto& what = request.what;
    using kind = selector::kind;
    auto choose = [&](const std::string& text, kind x) {
      if (text.empty())
        return false;
      what.what = x;
      what.text = text;
      return true;
    };
    if (choose(key, kind::key) || choose(prefix, kind::prefix)
        || choose(glob, kind::glob) || choose(tag, kind::tag))
      return request;
    if (all && tenant->count() > 0)
      throw CLI::ValidationError("--all", "means every tenant, so --tenant "
                                          "contradicts it");
    if (!all && tenant->count() == 0)
      throw CLI::ValidationError("terrace invalidate",
                                 "expected one of --key, --prefix, --glob, "
                                 "--tag, --tenant, --all");
    what.what = all ? kind::all : kind::tenant;
    return request;
  }
};

int run(int argc, char** argv) {
  CLI::App app{"Asks a Terrace node how it does, and removes entries",
               "terrace"};
  app.failure_message([](const CLI::App*, const CLI::Error& x) {
    return "terrace: " + std::string{x.what()} + "; --help tells more\n";
  });
  std::string url = "http://127.0.0.1:7380";
  app.add_option("--url", url, "HTTP address of the node")
    ->envname("TERRACE_URL")
    ->capture_default_str();
  app.set_version_flag("--version", "terrace " TERRACE_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  std::function<int(node_client&)> chosen;
  auto command = [&](const char* name, const char* help,
                     std::function<int(node_client&)> run_it) {
    auto result = app.add_subcommand(name, help);
    result->callback([&chosen, run_it] { chosen = run_it; });
    return result;
  };
  command("status", "tiers, states, hits, latencies", status);
  bool as_json = false;
  command("stats", "all figures", [&](node_client& node) {
    return as_json ? show(node.get_ok(api + "/stats")) : status(node);
  })->add_flag("--json", as_json, "for programs");
  command("health", "states; exit code 0 if all is well, else 1", health);
  command("metrics", "all figures as Prometheus reads them",
          [](node_client& node) { return show(node.get_ok("/metrics")); });
  command("watch", "status once a second", watch);
  command("reset", "counters back to zero", reset);
  selection what;
  invalidation_request request;
  auto sub
    = command("invalidate", "remove entries from every tier",
              [&](node_client& node) { return invalidate(node, request); });
  what.declare(*sub);
  try {
    app.parse(argc, argv);
    if (sub->parsed())
      request = what.read();
  } catch (const CLI::ParseError& x) {
    return app.exit(x) == 0 ? 0 : exit_bad_usage;
  }
  auto node = node_client::open(url);
  if (!node) {
    std::cerr << "terrace: --url: " << node.error().detail << '\n';
    return exit_bad_usage;
  }
  return chosen(*node);
}

} // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& x) {
    std::cerr << "terrace: " << x.what() << '\n';
    return exit_failed;
  }
}
