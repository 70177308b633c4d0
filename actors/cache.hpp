/// The in-process face of a node.
///
///     auto node = terrace::node::start(opts);
///     auto cache = (*node)->cache();
///     cache.set("user:7", "Ada", {.ttl = 5min, .tags = {"users"}});
///     auto hit = cache.get("user:7");          // expected<optional<blob>>
///     auto page = cache.get_or_load("page:1", [] { return render(1); });
///
/// A hit in memory takes no lock and sends no message. Everything else is a
/// request to the coordinator of the key's shard; a blocking call runs idle
/// actors on the calling thread.
///
/// Handles are cheap to copy and may be used from any number of threads, except
/// from inside an actor's handler: blocking there can stop the system. After
/// the node has stopped, hits in memory are still answered from what was there
/// last, and everything else fails with `shutting_down`.
#pragma once

#include "messages/blob.hpp"
#include "messages/expected.hpp"
#include "messages/record.hpp"
#include "messages/selector.hpp"
#include "messages/status.hpp"

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

struct cache_core;

/// What a write may say about its entry.
struct set_options {
  /// Time until the entry expires; zero: the node's default, usually never.
  std::chrono::milliseconds ttl{0};
  /// Names by which entries can be invalidated together.
  std::vector<std::string> tags{};
  /// Tiers to write to, e.g. `bit(tier_kind::memory)`; zero: chosen by size.
  tier_set tiers = 0;
  /// False: Redis and disk store the value as it is, e.g. because it is
  /// compressed already.
  bool compress = true;
};

/// How `get_or_load` stores and protects.
struct load_options {
  set_options set{};
  /// Time the loader may take before another caller gets the duty to load.
  std::chrono::milliseconds timeout{30'000};
};

/// A value on its way into `mset`.
struct named_value {
  std::string key;
  blob value;
};

class cache {
public:
  /// Absent: a miss.
  using value_or_miss = std::optional<blob>;

  using get_result = expected<value_or_miss>;

  /// Fetches a value from its source. May throw `std::exception`s.
  using loader = std::function<expected<blob>()>;

  // -- constructors -----------------------------------------------------------

  /// Made by `node::cache`. All keys are those of `tenant`.
  cache(std::shared_ptr<cache_core> core, tenant_id tenant);

  /// The same node, another key space.
  cache with_tenant(tenant_id tenant) const;

  // -- reading ----------------------------------------------------------------

  /// The value under `key`, or a miss. Fails if no tier has the key and at
  /// least one could not be asked; callers usually treat that as a miss.
  get_result get(std::string_view key) const;

  /// One result per key, in order; missing keys cost one request per shard.
  std::vector<get_result> mget(std::span<const std::string> keys) const;

  /// True if a live entry is there.
  expected<bool> contains(std::string_view key) const;

  /// Calls `done` with the result: at once on a hit in memory, otherwise later
  /// from a thread of the node. `done` must not block and must not throw.
  void get(std::string_view key, std::function<void(get_result)> done) const;

  /// The same as a future.
  std::future<get_result> get_async(std::string_view key) const;

  // -- writing ----------------------------------------------------------------

  /// Stores a value in all tiers; returns when they have taken it. After that,
  /// every read on this node sees it or something newer. Fails only if no tier
  /// took it.
  expected<void> set(std::string_view key, blob value,
                     const set_options& opts = {}) const;

  expected<void> set(std::string_view key, std::string_view value,
                     const set_options& opts = {}) const;

  /// Stores several values under the same options. One result per value.
  std::vector<expected<void>> mset(std::vector<named_value> xs,
                                   const set_options& opts = {}) const;

  void set(std::string_view key, blob value, const set_options& opts,
           std::function<void(expected<void>)> done) const;

  std::future<expected<void>> set_async(std::string_view key, blob value,
                                        const set_options& opts = {}) const;

  /// Deletes a key everywhere; tells whether it was there.
  expected<bool> erase(std::string_view key) const;

  /// Deletes keys; returns how many were there.
  expected<std::size_t> erase(std::span<const std::string> keys) const;

  /// Gives an entry a new time to live, counted from now; zero: it stays until
  /// it is evicted. False if the key is absent.
  expected<bool> expire(std::string_view key,
                        std::chrono::milliseconds ttl) const;

  // -- loading ----------------------------------------------------------------

  /// The value under `key`, loaded if it is in no tier. However many callers
  /// miss a key at the same time, one of them runs its loader; the others wait
  /// for what it brings, or for its failure (`loader_failed`). If the key is
  /// changed or invalidated while it is being loaded, the loaded value is
  /// returned but not kept.
  expected<blob> get_or_load(std::string_view key, const loader& load,
                             const load_options& opts = {}) const;

  // -- invalidation -----------------------------------------------------------

  /// Removes what `what` selects from every tier. `what.tenant` is replaced by
  /// this handle's.
  expected<invalidation_report> invalidate(selector what,
                                           const std::string& reason) const;

  /// Removes every entry of this tenant.
  expected<invalidation_report> clear() const;

  // -- figures ----------------------------------------------------------------

  /// The report of the whole node.
  expected<node_report> stats() const;

private:
  std::shared_ptr<cache_core> core_;
  tenant_id tenant_;
};

} // namespace terrace
