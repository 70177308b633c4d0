#include "actors/metrics.hpp"

#include <algorithm>

namespace terrace {

metrics_actor::behavior_type metrics_state::make_behavior(metrics_setup setup) {
  setup_ = std::move(setup);
  started_ms_ = setup_.now();
  self_->set_error_handler([](caf::scheduled_actor*, caf::error&) {});
  self_->set_exit_handler(
    [this](caf::scheduled_actor*, caf::exit_msg& x) { shut_down(x.reason); });
  self_->set_down_handler([this](caf::scheduled_actor*, caf::down_msg& x) {
    std::erase_if(joined_, [&](auto& entry) {
      return entry.second.address() == x.source;
    });
  });
  return {
    [this](report_atom) { return report(); },
    [this](reset_atom) { reset(); },
    [this](caf::join_atom, const std::string& label, const caf::actor& x) {
      self_->monitor(x);
      joined_.emplace_back(label, x);
    },
  };
}

caf::result<node_report> metrics_state::report() {
  waiting_.push_back(self_->make_response_promise<node_report>());
  auto result = waiting_.back();
  if (waiting_.size() > 1)
    return result; // the report under way serves this request too
  auto x = std::make_shared<collection>();
  x->report.taken_ms = setup_.now();
  x->report.started_ms = started_ms_;
  for (auto& tier : setup_.tiers)
    ask_tier(x, tier);
  for (std::size_t i = 0; i < setup_.coordinators.size(); ++i)
    ask_actor(x, "coordinator." + std::to_string(i),
              caf::actor_cast<caf::actor>(setup_.coordinators[i]));
  for (auto& [label, from] : joined_)
    ask_actor(x, label, from);
  settle(x);
  return result;
}

void metrics_state::ask_tier(const collection_ptr& x, const tier_handle& tier) {
  ++x->open;
  auto kind = tier.kind;
  auto health = tier.health;
  self_->request(tier.actor, patience, status_atom_v)
    .then(
      [this, x, kind, health](tier_status& status) {
        auto [i, fresh] = x->tiers.try_emplace(kind);
        if (fresh) {
          status.skipped += health->skipped.load(std::memory_order_relaxed);
          i->second = std::move(status);
        } else {
          i->second.merge(status);
        }
        i->second.tier = kind;
        settle(x);
      },
      [this, x, kind](caf::error&) {
        x->report.silent.emplace_back(to_string(kind));
        settle(x);
      });
}

void metrics_state::ask_actor(const collection_ptr& x, const std::string& label,
                              const caf::actor& from) {
  ++x->open;
  self_->request(from, patience, status_atom_v)
    .then(
      [this, x, label](actor_status& status) {
        status.name = label;
        x->report.actors.push_back(std::move(status));
        settle(x);
      },
      [this, x, label](caf::error&) {
        x->report.silent.push_back(label);
        settle(x);
      });
}

void metrics_state::settle(const collection_ptr& x) {
  if (--x->open > 0)
    return;
  auto& report = x->report;
  std::sort(report.actors.begin(), report.actors.end(),
            [](auto& a, auto& b) { return a.name < b.name; });
  // A request for a key is answered from memory or goes to a coordinator, where
  // it is counted when it comes and again, by outcome, when it is answered.
  if (auto i = x->tiers.find(tier_kind::memory); i != x->tiers.end())
    report.requests = report.request_hits = i->second.hits;
  for (auto& actor : report.actors) {
    if (!actor.name.starts_with("coordinator."))
      continue;
    report.requests += actor.counters["fetched_keys"];
    report.request_hits += actor.counters["hits"];
    report.request_misses += actor.counters["misses"];
    report.request_errors += actor.counters["errors"];
  }
  for (auto& tier : setup_.tiers) {
    auto node = x->tiers.extract(tier.kind); // empty for further shards
    if (node)
      report.tiers.push_back(std::move(node.mapped()));
  }
  auto waiting = std::move(waiting_);
  waiting_.clear();
  for (auto& promise : waiting)
    promise.deliver(report);
}

void metrics_state::reset() {
  for (auto& tier : setup_.tiers) {
    tier.health->skipped.store(0, std::memory_order_relaxed);
    caf::anon_send(tier.actor, reset_atom_v);
  }
  for (auto& x : setup_.coordinators)
    caf::anon_send(x, reset_atom_v);
  for (auto& [label, x] : joined_)
    caf::anon_send(x, reset_atom_v);
}

void metrics_state::shut_down(const caf::error& reason) {
  for (auto& promise : waiting_)
    promise.deliver(make_error(errc::shutting_down));
  waiting_.clear();
  joined_.clear();
  self_->quit(reason);
}

metrics_actor::behavior_type
metrics(metrics_actor::stateful_pointer<metrics_state> self,
        metrics_setup setup) {
  return self->state.make_behavior(std::move(setup));
}

} // namespace terrace
