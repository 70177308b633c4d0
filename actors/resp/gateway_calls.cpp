// The gateway's messages to the other actors of the node, and their answers.

#include "actors/resp/gateway.hpp"

namespace terrace::resp {

namespace {

/// INFO tells the sizes of all tenants only if they are not too many to ask.
constexpr std::uint32_t most_tenants_in_info = 256;

} // namespace

// -- coordinators -------------------------------------------------------------

void gateway::send_batches() {
  // What a send wakes up is kept by the unit; drained, it runs here.
  auto* previous = context();
  context(&unit_);
  for (auto shard : executor_.take_dirty())
    while (executor_.shard(shard).may_send())
      send_batch(shard, executor_.shard(shard).next());
  context(previous);
  unit_.drain();
}

void gateway::send_batch(std::size_t shard, shard_batch batch) {
  if (batch.writes)
    send_changes(shard, std::move(batch));
  else
    send_lookups(shard, std::move(batch));
}

void gateway::send_lookups(std::size_t shard, shard_batch batch) {
  auto keys = std::move(batch.lookups);
  auto sent = std::make_shared<shard_batch>(std::move(batch));
  request(shared_->services.coordinators[shard], caf::infinite, fetch_atom_v,
          std::move(keys))
    .then(
      [this, shard, sent](lookups& xs) {
        auto now = shared_->services.now();
        distribute(shard, *sent, [&](session& s, std::size_t i) {
          executor_.deliver(s, sent->targets[i], xs[i], now);
        });
      },
      [this, shard, sent](caf::error& why) {
        auto code = to_failure(why).code;
        distribute(shard, *sent, [&](session& s, std::size_t i) {
          executor_.fail(s, sent->targets[i], code, false);
        });
      });
}

void gateway::send_changes(std::size_t shard, shard_batch batch) {
  auto changes = std::move(batch.changes);
  auto sent = std::make_shared<shard_batch>(std::move(batch));
  request(shared_->services.coordinators[shard], caf::infinite, apply_atom_v,
          std::move(changes))
    .then(
      [this, shard, sent](mutation_results& xs) {
        distribute(shard, *sent, [&](session& s, std::size_t i) {
          executor_.deliver(s, sent->targets[i], xs[i]);
        });
      },
      [this, shard, sent](caf::error& why) {
        auto code = to_failure(why).code;
        distribute(shard, *sent, [&](session& s, std::size_t i) {
          executor_.fail(s, sent->targets[i], code, true);
        });
      });
}

template <class F>
void gateway::distribute(std::size_t shard, const shard_batch& batch, F&& f) {
  executor_.done(shard, batch.bytes);
  touched_.clear();
  for (std::size_t i = 0; i < batch.targets.size(); ++i) {
    auto* s = find(batch.targets[i]);
    if (!s)
      continue;
    f(*s, i);
    if (!s->touched) {
      s->touched = true;
      touched_.push_back(s);
    }
  }
  for (auto* s : touched_) {
    s->touched = false;
    s->settle();
    go_on(*s);
  }
  send_batches();
}

// -- service calls ------------------------------------------------------------

template <class F>
void gateway::end_call(const target& to, F&& f) {
  auto* s = find(to);
  if (!s)
    return;
  s->blocked = false;
  if (!s->shut) {
    output unwanted;
    f(reply_writer{s->call.muted ? unwanted : s->out, s->resp3});
  }
  go_on(*s);
  send_batches();
}

void gateway::start_call(session& s) {
  target to;
  to.fd = s.info->fd;
  to.connection = s.info->id;
  auto& x = s.call;
  auto& services = shared_->services;
  auto fail = [this, to](caf::error& why) {
    end_call(to,
             [&](reply_writer out) { out.error(error_text(to_failure(why))); });
  };
  using kind = service_call::kind;
  switch (x.what) {
    case kind::flush:
    case kind::invalidate:
      call_invalidate(to, x);
      break;
    case kind::scan:
      call_scan(to, x);
      break;
    case kind::keys:
      request(services.keyspace, caf::infinite, list_atom_v, x.step.tenant,
              x.step.glob)
        .then(
          [this, to](const keys& found) {
            end_call(to, [&](reply_writer out) {
              out.array(found.size());
              for (auto& key : found)
                out.bulk(user_key(key));
            });
          },
          fail);
      break;
    case kind::count:
      request(services.keyspace, caf::infinite, count_atom_v, s.tenant)
        .then(
          [this, to](std::uint64_t n) {
            end_call(to, [&](reply_writer out) {
              out.integer(static_cast<std::int64_t>(n));
            });
          },
          fail);
      break;
    case kind::info:
      call_info(to, x.sections);
      break;
    case kind::configure:
      request(services.configurator, caf::infinite, configure_atom_v, x.changes)
        .then(
          [this, to](std::uint64_t) {
            end_call(to, [](reply_writer out) { out.ok(); });
          },
          [this, to](caf::error& why) {
            end_call(to, [&](reply_writer out) {
              out.error("ERR CONFIG SET failed - " + to_failure(why).detail);
            });
          });
      break;
    case kind::reset:
      caf::anon_send(services.metrics, reset_atom_v);
      // Whoever answers for the report has been told to reset before.
      request(services.metrics, caf::infinite, report_atom_v)
        .then(
          [this, to](const node_report&) {
            end_call(to, [](reply_writer out) { out.ok(); });
          },
          fail);
  }
}

void gateway::call_invalidate(const target& to, const service_call& x) {
  const bool plain_ok = x.what == service_call::kind::flush;
  request(shared_->services.invalidator, caf::infinite, invalidate_atom_v,
          x.selected, std::string{plain_ok ? "RESP flush" : "RESP invalidate"})
    .then(
      [this, to, plain_ok](const invalidation_report& report) {
        end_call(to, [&](reply_writer out) {
          // An entry lies in several tiers: the largest count comes nearest to
          // the number of keys.
          std::uint64_t removed = 0;
          for (auto& [tier, n] : report.removed)
            removed = std::max(removed, n);
          if (plain_ok)
            out.ok();
          else
            out.integer(static_cast<std::int64_t>(removed));
        });
      },
      [this, to](caf::error& why) {
        end_call(to, [&](reply_writer out) {
          out.error(error_text(to_failure(why)));
        });
      });
}

void gateway::call_scan(const target& to, const service_call& x) {
  request(shared_->services.keyspace, caf::infinite, scan_atom_v, x.step)
    .then(
      [this, to, hide = x.hide_found](const scan_page& page) {
        end_call(to, [&](reply_writer out) {
          out.array(2);
          out.bulk(std::to_string(page.cursor));
          out.array(hide ? 0 : page.found.size());
          if (!hide)
            for (auto& key : page.found)
              out.bulk(user_key(key));
        });
      },
      [this, to](caf::error& why) {
        end_call(to, [&](reply_writer out) {
          auto problem = to_failure(why);
          if (problem.code == errc::invalid_argument)
            out.error("ERR invalid cursor");
          else
            out.error(error_text(problem));
        });
      });
}

// -- INFO ---------------------------------------------------------------------

void gateway::call_info(const target& to, std::set<std::string> sections) {
  auto& services = shared_->services;
  auto x = std::make_shared<info_call>(to, std::move(sections),
                                       services.config->get());
  x->facts.now_ms = services.now();
  x->facts.connected_clients = shared_->clients.size();
  x->facts.port = shared_->port;
  ++x->open;
  request(services.metrics, caf::infinite, report_atom_v)
    .then(
      [this, x](node_report& report) {
        x->facts.report = std::move(report);
        settle_info(x);
      },
      [this, x](caf::error& why) {
        x->facts.report_problem = to_string(to_failure(why));
        settle_info(x);
      });
  auto tenants = opts_.cache.tenants;
  if (tenants > most_tenants_in_info)
    tenants = 1;
  for (std::uint32_t i = 0; i < tenants; ++i) {
    auto tenant = static_cast<tenant_id>(i);
    ++x->open;
    request(services.keyspace, caf::infinite, count_atom_v, tenant)
      .then(
        [this, x, tenant](std::uint64_t n) {
          if (n > 0)
            x->facts.keys.emplace(tenant, n);
          settle_info(x);
        },
        [this, x](caf::error&) { settle_info(x); });
  }
  settle_info(x);
}

void gateway::settle_info(const std::shared_ptr<info_call>& x) {
  if (--x->open > 0)
    return;
  end_call(x->to, [&](reply_writer out) {
    out.verbatim(render_info(x->facts, x->sections));
  });
}

} // namespace terrace::resp
