#include "actors/memory_tier.hpp"

#include "actors/log.hpp"
#include "tiers/memory_pressure.hpp"

#include <utility>

namespace terrace {

namespace {

/// Nodes and buckets looked at in one sweep: about half a millisecond.
constexpr std::size_t sweep_budget = 16384;

constexpr std::int64_t pressure_interval_ms = 1000;

} // namespace

memory_tier_actor::behavior_type
memory_tier_state::make_behavior(const memory_options& opts,
                                 std::uint64_t max_process,
                                 memory_view_ptr view, std::size_t shard,
                                 now_fn now) {
  max_process_ = max_process;
  view_ = std::move(view);
  shard_ = shard;
  store_ = std::make_unique<memory_store>(opts, view_, shard);
  now_ = std::move(now);
  sweep_interval_ = opts.sweep_interval;
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self_->delayed_anon_send(memory_tier_actor{self_}, sweep_interval_,
                           sweep_atom_v);
  return {
    [this](fetch_atom, const keys& xs) { return fetch(xs); },
    [this](store_atom, const entry_batch& xs) { return put(xs, false); },
    [this](promote_atom, const entry_batch& xs) { return put(xs, true); },
    [this](remove_atom, const removals& xs) { return remove(xs); },
    [this](purge_atom, const selector& what, version_t up_to) {
      return purge(what, up_to);
    },
    [this](list_atom, const list_request& x) { return list(x); },
    [this](count_atom, tenant_id tenant) { return *store_->count(tenant); },
    [this](status_atom) { return status(); },
    [this](reset_atom) { reset(); },
    [this](sweep_atom) { sweep(); },
    [this](configure_atom, const memory_limits& x) { configure(x); },
    [this](hot_atom, const hot_request& x) {
      return store_->hottest(x, now_());
    },
    [this](room_atom) { return std::uint64_t{store_->room()}; },
  };
}

lookups memory_tier_state::fetch(const keys& xs) {
  return store_->fetch(xs, now_());
}

store_report memory_tier_state::put(const entry_batch& xs, bool if_absent) {
  auto start = std::chrono::steady_clock::now();
  auto result = store_->put(xs.get(), if_absent, now_());
  counters_.count(result);
  counters_.store_latency.record(std::chrono::steady_clock::now() - start);
  return result;
}

remove_report memory_tier_state::remove(const removals& xs) {
  counters_.removes += xs.size();
  return store_->remove(xs, now_());
}

caf::result<std::uint64_t> memory_tier_state::purge(const selector& what,
                                                    version_t up_to) {
  auto result = store_->purge(what, up_to, now_());
  if (!result)
    return make_error(result.error());
  return *result;
}

caf::result<key_page> memory_tier_state::list(const list_request& x) {
  auto result = store_->list(x.tenant, x.glob, x.cursor, x.budget, now_());
  if (!result)
    return make_error(result.error());
  return *std::move(result);
}

tier_status memory_tier_state::status() {
  tier_status result;
  counters_.fill(result);
  store_->describe(result);
  if (shard_ == 0) {
    auto now = view_->totals();
    result.hits = now.hits - baseline_.hits;
    result.misses = now.misses - baseline_.misses;
    result.lookups = result.hits + result.misses;
    result.fetch_latency = view_->sampled_latency().snapshot();
  }
  return result;
}

/// Sheds this shard's part of what the process has to give back.
void memory_tier_state::relieve() {
  auto x = read_memory_pressure();
  if (!x)
    return;
  if (max_process_ != 0)
    x = bounded_by(*x, max_process_);
  auto bytes = bytes_to_shed(*x, shedding_);
  auto was = std::exchange(shedding_, bytes > 0);
  if (was != shedding_ && shard_ == 0)
    log_of("memory").warn("{} of {} bytes are in use: {}",
                          x->limit_bytes - x->available_bytes, x->limit_bytes,
                          shedding_ ? "giving back memory"
                                    : "memory is no longer short");
  if (was || shedding_)
    store_->shed(bytes / view_->shards());
}

void memory_tier_state::sweep() {
  if (auto now = now_(); now - looked_ms_ >= pressure_interval_ms) {
    looked_ms_ = now;
    relieve();
  }
  store_->sweep(now_(), sweep_budget);
  self_->delayed_anon_send(memory_tier_actor{self_}, sweep_interval_,
                           sweep_atom_v);
}

void memory_tier_state::reset() {
  counters_.reset();
  if (shard_ == 0) {
    baseline_ = view_->totals();
    view_->reset_latency();
  }
}

void memory_tier_state::configure(const memory_limits& x) {
  max_process_ = x.max_process;
  store_->resize(x.max_size, x.max_entries);
  store_->change_policy(x.policy);
}

memory_tier_actor::behavior_type
memory_tier(memory_tier_actor::stateful_pointer<memory_tier_state> self,
            const memory_options& opts, std::uint64_t max_process,
            memory_view_ptr view, std::size_t shard, now_fn now) {
  return self->state.make_behavior(opts, max_process, std::move(view), shard,
                                   std::move(now));
}

} // namespace terrace
