/// What the Redis tier holds back until a connection has answered it.
#pragma once

#include "config/options.hpp"
#include "messages/interfaces.hpp"
#include "tiers/invalidation_event.hpp"
#include "tiers/missed_writes.hpp"

#include <chrono>
#include <string>
#include <variant>

namespace terrace {

/// Time as CAF's clock tells it: steady, and moved by hand in tests.
using tick_time = caf::actor_clock::time_point;

struct fetch_request {
  keys wanted; ///< moved into the job when that starts
  std::size_t size = 0;
  tick_time arrived;
  caf::typed_response_promise<lookups> promise;
};

/// For `store` and `promote`.
struct store_request {
  entry_batch batch;
  bool if_absent = false;
  tick_time arrived;
  caf::typed_response_promise<store_report> promise;
};

struct remove_request {
  removals gone;
  tick_time arrived;
  caf::typed_response_promise<remove_report> promise;
};

/// A purge runs in steps; other writes go in between. That is no disorder,
/// since it only takes records up to its version.
struct purge_request {
  selector what;
  version_t up_to = 0;
  std::string cursor;
  std::uint64_t purged = 0;
  tick_time arrived;
  failure why; ///< why a server was left out, if one was
  caf::typed_response_promise<std::uint64_t> promise;
};

struct page_request {
  list_request wanted;
  caf::typed_response_promise<key_page> promise;
};

/// Counting means listing page by page, so that look-ups go in between.
struct count_request {
  list_request wanted;
  std::uint64_t counted = 0;
  caf::typed_response_promise<std::uint64_t> promise;
};

/// Nobody waits for it: changes that were missed and are brought up to date.
struct replay_request {
  missed_batch changes;
  std::string cursor; ///< of a purge
};

/// Nobody waits for it: is the server there?
struct probe_request {
  bool first = false; ///< the very first: its failure alone opens the breaker
};

/// A sign of life for other nodes, behind all changes that came before.
struct beat_request {
  node_beat beat;
  caf::typed_response_promise<bool> promise;
};

/// Nobody waits if it gives the lease back.
struct lease_request {
  std::string key;
  std::string owner;
  milliseconds limit{0}; ///< zero: gives it back
  caf::typed_response_promise<std::uint64_t> promise;
};

struct swap_request {
  guarded_change change; ///< moved into the job when that starts
  caf::typed_response_promise<bool> promise;
};

/// A look-up among the changes.
struct look_request {
  std::string key;
  caf::typed_response_promise<lookup> promise;
};

using redis_request
  = std::variant<fetch_request, store_request, remove_request, purge_request,
                 page_request, count_request, replay_request, probe_request,
                 beat_request, lease_request, swap_request, look_request>;

/// Look-ups or writes in a request, for the bound on what may wait.
inline std::size_t weight_of(const redis_request& x) noexcept {
  if (auto* y = std::get_if<fetch_request>(&x))
    return y->size;
  if (auto* y = std::get_if<store_request>(&x))
    return y->batch.get().size();
  if (auto* y = std::get_if<remove_request>(&x))
    return y->gone.size();
  return 1;
}

} // namespace terrace
