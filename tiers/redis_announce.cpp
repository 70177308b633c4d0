// What redis_store tells other nodes, and how it keeps what is old from coming
// back.
//
// With one server, a change and its event are one step. Where keys are spread
// over several, the log is at one of them: the event follows the changes. While
// it cannot be written, what it tells is kept, and no beat is published before
// it: other nodes know that they may be stale. A node that is killed before
// leaves changes that are not announced.
#include "tiers/redis_store.hpp"

#include "tiers/redis_change.hpp"
#include "tiers/redis_script.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

/// Changes that are kept to be announced later; past it, everything is.
constexpr std::size_t most_kept = 100'000;

/// In one event.
constexpr std::size_t keys_per_event = 128;

} // namespace

void redis_store::append_settings(std::string_view condition,
                                  std::int64_t now_ms, const std::string& event,
                                  const std::string& purge, std::string& out) {
  append_redis_argument(out, std::to_string(now_ms));
  append_redis_argument(out, condition);
  append_redis_argument(out, event);
  append_redis_argument(out, announcer_ ? announcer_->channel : "");
  append_redis_argument(out, log_name_);
  append_redis_argument(out, std::to_string(announcer_ ? announcer_->log_length
                                                       : 0));
  append_redis_argument(out, fences_name_);
  append_redis_argument(out, purge);
}

void redis_store::append_bare(redis_pipeline& to, const std::string& event,
                              const std::string& purge) {
  to.begin(3 + redis_script_settings);
  for (auto text : {std::string_view{"EVALSHA"}, std::string_view{script_},
                    std::string_view{"0"}})
    append_redis_argument(to.bytes, text);
  append_settings("0", 0, event, purge, to.bytes);
}

// -- events -------------------------------------------------------------------

bool redis_store::announces(std::span<const change> xs,
                            bool if_absent) const noexcept {
  return announcer_ && !if_absent && !xs.empty() && !xs.front().only_records;
}

std::string redis_store::event_of(std::span<const change> xs, bool if_absent) {
  if (!router_.undivided() || !announces(xs, if_absent))
    return {};
  invalidation_event result;
  result.reason = "change";
  result.keys.reserve(xs.size());
  for (auto& x : xs)
    result.keys.push_back({*x.key, x.version});
  return sign(std::move(result));
}

void redis_store::announce_apart(std::span<const change> xs, bool if_absent,
                                 const std::string& outcomes) {
  if (router_.undivided() || !announces(xs, if_absent))
    return;
  for (auto& x : xs)
    if (outcomes[x.index] != 'f' && !(x.guard && outcomes[x.index] == 'r'))
      keep_for_event({*x.key, x.version});
  // The changes were made, whatever becomes of this.
  auto before = last_failure_;
  static_cast<void>(announce_kept());
  last_failure_ = std::move(before);
}

void redis_store::keep_for_event(removal x) {
  kept_up_to_ = std::max(kept_up_to_, x.version);
  if (kept_.size() < most_kept)
    kept_.push_back(std::move(x));
  else
    kept_all_ = true;
}

expected<void> redis_store::announce_kept() {
  if (kept_all_) {
    if (auto ok = announce({{}, 0, "change", {}, selector{}, kept_up_to_}); !ok)
      return ok;
    kept_all_ = false;
    kept_.clear();
  }
  while (!kept_.empty()) {
    invalidation_event event;
    event.reason = "change";
    auto n = std::min(kept_.size(), keys_per_event);
    auto first = kept_.end() - static_cast<std::ptrdiff_t>(n);
    event.keys.assign(first, kept_.end());
    if (auto ok = announce(std::move(event)); !ok)
      return ok;
    kept_.resize(kept_.size() - n);
  }
  return {};
}

std::string redis_store::sign(invalidation_event x) {
  x.node = announcer_->node;
  x.seq = announcer_->seq.fetch_add(1, std::memory_order_relaxed) + 1;
  return to_json(x);
}

expected<void> redis_store::announce(invalidation_event x) {
  if (!announcer_)
    return {};
  last_failure_ = {};
  if (script_.empty() && !load_script())
    return last_failure_;
  router_.clear();
  append_bare(router_.to_place(router_.place_of(log_name_)), sign(std::move(x)),
              {});
  if (!exchange() || !answer(0, reply_kind::text, "EVALSHA"))
    return last_failure_;
  return {};
}

expected<void> redis_store::publish(node_beat x) {
  if (!announcer_)
    return {};
  if (auto ok = announce_kept(); !ok)
    return ok;
  last_failure_ = {};
  x.seq = announcer_->seq.load(std::memory_order_relaxed);
  router_.clear();
  router_.to_place(router_.place_of(log_name_))
    .add({"PUBLISH", announcer_->channel, to_json(x)});
  if (!exchange() || !answer(0, reply_kind::integer, "PUBLISH"))
    return last_failure_;
  return {};
}

// -- fences -------------------------------------------------------------------

expected<void> redis_store::raise_fence(version_t up_to) {
  if (fences_name_.empty())
    return {};
  last_failure_ = {};
  if (script_.empty() && !load_script())
    return last_failure_;
  char version[17];
  std::snprintf(version, sizeof(version), "%016" PRIx64, up_to);
  router_.clear();
  if (router_.undivided())
    append_bare(router_.to_place(0), {}, version);
  else
    for (std::size_t i = 0; i < router_.servers(); ++i)
      append_bare(router_.to_server(i), {}, version);
  // One of several that is dead cannot be purged either.
  if (!exchange() && !goes_on())
    return last_failure_;
  return {};
}

} // namespace terrace
