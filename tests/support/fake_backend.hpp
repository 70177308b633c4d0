/// The actors that a gateway speaks with, in front of a map: they note what
/// they are asked, and the coordinator can be told to fail or to hold its
/// answers back.
#pragma once

#include "messages/interfaces.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace terrace::test {

/// What the test and the actors share.
struct backend {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, record> data;
  std::vector<std::string> log; ///< one entry per message: "fetch a b"
  bool hold = false;            ///< keep answers back
  errc fail = errc::none;
  std::vector<std::function<void()>> held;

  void wait_for_held(std::size_t n) {
    std::unique_lock lock{mutex};
    changed.wait(lock, [&] { return held.size() >= n; });
  }

  std::vector<std::string> take_log() {
    std::lock_guard lock{mutex};
    return std::exchange(log, {});
  }

  std::vector<std::string> wait_for_log(std::size_t n) {
    std::unique_lock lock{mutex};
    changed.wait(lock, [&] { return log.size() >= n; });
    return std::exchange(log, {});
  }
};

using backend_ptr = std::shared_ptr<backend>;

inline mutation_result change(backend& x, mutation& m) {
  mutation_result result;
  auto i = x.data.find(m.key);
  result.had_old = i != x.data.end();
  if (result.had_old && m.want_old)
    result.old = i->second;
  using condition = mutation::condition;
  result.applied = m.what == mutation::op::put
                     ? (m.when != condition::if_absent || !result.had_old)
                         && (m.when != condition::if_present || result.had_old)
                     : result.had_old;
  if (!result.applied)
    return result;
  if (m.what == mutation::op::put)
    x.data[m.key] = {m.value, 1, m.expires_ms, m.tags};
  else if (m.what == mutation::op::erase)
    x.data.erase(i);
  else
    i->second.expires_ms = m.expires_ms;
  return result;
}

inline coordinator_actor::behavior_type
fake_coordinator(coordinator_actor::pointer self, backend_ptr x) {
  self->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  // Answers now, or when the test sends `reset`.
  auto answer = [self, x](auto result) {
    using type = decltype(result);
    auto promise = self->make_response_promise<type>();
    auto deliver = [promise, result, x]() mutable {
      if (x->fail != errc::none)
        promise.deliver(make_error(x->fail));
      else
        promise.deliver(std::move(result));
    };
    if (x->hold)
      x->held.emplace_back(std::move(deliver));
    else
      deliver();
    x->changed.notify_all();
    return promise;
  };
  return {
    [](warm_atom, const keys&) { return lookups{}; },
    [=](fetch_atom, const keys& xs) -> caf::result<lookups> {
      std::lock_guard lock{x->mutex};
      std::string line = "fetch";
      lookups result;
      for (auto& key : xs) {
        line.append(" ").append(user_key(key));
        auto i = x->data.find(key);
        result.push_back(i == x->data.end()
                           ? lookup::missed()
                           : lookup::found(i->second, tier_kind::disk));
      }
      x->log.push_back(std::move(line));
      return answer(std::move(result));
    },
    [=](apply_atom, mutations& xs) -> caf::result<mutation_results> {
      std::lock_guard lock{x->mutex};
      std::string line = "apply";
      mutation_results result;
      for (auto& m : xs) {
        line.append(" ").append(user_key(m.key));
        result.push_back(change(*x, m));
      }
      x->log.push_back(std::move(line));
      return answer(std::move(result));
    },
    [](claim_atom, const std::string&, std::uint64_t) -> caf::result<claim> {
      return make_error(errc::unavailable);
    },
    [](fulfil_atom, std::uint64_t, mutation&) -> caf::result<mutation_result> {
      return make_error(errc::unavailable);
    },
    [](abandon_atom, const std::string&, std::uint64_t, const failure&) {},
    [](fence_atom, const selector&, version_t, bool) {
      return std::uint64_t{0};
    },
    [](unfence_atom, version_t) {},
    [](forget_atom, const removals& xs) { return std::uint64_t{xs.size()}; },
    [](status_atom) { return actor_status{}; },
    [=](reset_atom) {
      std::unique_lock lock{x->mutex};
      auto held = std::exchange(x->held, {});
      for (auto& deliver : held)
        deliver();
    },
    [](tick_atom) {},
  };
}

inline invalidator_actor::behavior_type
fake_invalidator(invalidator_actor::pointer, backend_ptr x) {
  return {
    [=](invalidate_atom, const selector& what, const std::string&) {
      std::lock_guard lock{x->mutex};
      x->log.push_back("invalidate " + to_string(what));
      invalidation_report result;
      result.removed = {{"memory", 1}, {"disk", x->data.size()}};
      x->data.clear();
      return result;
    },
    [](forget_atom, const selector&, version_t) {
      return invalidation_report{};
    },
    [](status_atom) { return actor_status{}; },
    [](reset_atom) {},
  };
}

inline keyspace_actor::behavior_type fake_keyspace(keyspace_actor::pointer,
                                                   backend_ptr x) {
  return {
    [=](scan_atom, const scan_request& what) {
      scan_page result;
      result.cursor = what.cursor == 0 ? 7 : 0;
      result.found = {qualify(what.tenant, "k")};
      return result;
    },
    [=](list_atom, tenant_id tenant, const std::string& glob) {
      return keys{qualify(tenant, glob)};
    },
    [=](count_atom, tenant_id tenant) {
      std::lock_guard lock{x->mutex};
      return tenant == 0 ? static_cast<std::uint64_t>(x->data.size())
                         : std::uint64_t{0};
    },
    [](status_atom) { return actor_status{}; },
    [](reset_atom) {},
  };
}

inline metrics_actor::behavior_type fake_metrics(metrics_actor::pointer) {
  return {
    [](report_atom) {
      node_report result;
      tier_status memory;
      memory.tier = tier_kind::memory;
      memory.hits = 5;
      result.tiers.push_back(memory);
      tier_status redis;
      redis.tier = tier_kind::redis;
      redis.state = "half-open";
      result.tiers.push_back(redis);
      result.actors.push_back({"warm_restart", {{"preload_left", 3}}, {}});
      return result;
    },
    [](reset_atom) {},
    [](caf::join_atom, const std::string&, const caf::actor&) {},
  };
}

} // namespace terrace::test
