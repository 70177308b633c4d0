#include "actors/cache.hpp"

#include "actors/cache_core.hpp"

#include <exception>

namespace terrace {

namespace {

const failure stopped{errc::shutting_down, {}};

/// The qualified form of a key, without an allocation for usual sizes: the
/// buffer belongs to the thread and is overwritten by the next call.
const std::string& qualified(tenant_id tenant, std::string_view key) {
  static thread_local std::string buffer;
  buffer.clear();
  buffer += static_cast<char>(tenant >> 8);
  buffer += static_cast<char>(tenant & 0xff);
  buffer += key;
  return buffer;
}

cache::get_result to_result(lookup& x) {
  switch (x.what) {
    case lookup::outcome::hit:
      return cache::value_or_miss{std::move(x.data.value)};
    case lookup::outcome::miss:
      return cache::value_or_miss{};
    default:
      return failure{x.code, {}};
  }
}

mutation make_put(std::string key, blob value, const set_options& opts,
                  std::int64_t now_ms) {
  mutation x;
  x.key = std::move(key);
  x.value = std::move(value);
  x.tiers = opts.tiers;
  x.tags = opts.tags;
  x.compress = opts.compress;
  if (opts.ttl.count() > 0)
    x.expires_ms = now_ms + opts.ttl.count();
  return x;
}

expected<void> to_result(const mutation_result& x) {
  if (x.code != errc::none)
    return failure{x.code, {}};
  return {};
}

/// The requests of a batch of keys, one per shard, and which keys they are for.
template <class T>
struct by_shard {
  explicit by_shard(const cache_core& core)
    : items(core.coordinators.size()), at(core.coordinators.size()) {
    // nop
  }

  void add(std::size_t shard, T item, std::size_t index) {
    items[shard].push_back(std::move(item));
    at[shard].push_back(index);
  }

  /// Sends what is there with `atom`; calls `done(index, expected<Element>)`
  /// for every item of the batch.
  template <class Results, class Atom, class Done>
  void run(cache_core& core, caller& self, Atom atom, Done&& done) {
    std::vector<const coordinator_actor*> to;
    std::vector<std::size_t> shards;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (!items[i].empty()) {
        to.push_back(&core.coordinators[i]);
        shards.push_back(i);
      }
    }
    self.call_all<Results>(
      to,
      [&](std::size_t i, auto&& send) {
        return send(atom, std::move(items[shards[i]]));
      },
      [&](std::size_t i, expected<Results> results) {
        auto& positions = at[shards[i]];
        for (std::size_t n = 0; n < positions.size(); ++n) {
          if (results)
            done(positions[n], &(*results)[n], failure{});
          else
            done(positions[n], nullptr, results.error());
        }
      });
  }

  std::vector<std::vector<T>> items;
  std::vector<std::vector<std::size_t>> at;
};

} // namespace

void cache_core::close() {
  callers.close();
  coordinators.clear();
  invalidator = nullptr;
  metrics = nullptr;
}

// -- constructors -------------------------------------------------------------

cache::cache(std::shared_ptr<cache_core> core, tenant_id tenant)
  : core_(std::move(core)), tenant_(tenant) {
  // nop
}

cache cache::with_tenant(tenant_id tenant) const {
  return {core_, tenant};
}

// -- reading ------------------------------------------------------------------

cache::get_result cache::get(std::string_view key) const {
  auto& name = qualified(tenant_, key);
  auto hash = core_->view->hash(name);
  {
    auto pinned = core_->view->pin();
    if (auto* node = core_->view->find(pinned, name, hash, core_->now()))
      return value_or_miss{node->value()};
  }
  auto self = core_->callers.take();
  if (!self)
    return stopped;
  auto result = self->call<lookups>(core_->coordinator_of(hash), fetch_atom_v,
                                    keys{name});
  if (!result)
    return result.error();
  return to_result(result->front());
}

std::vector<cache::get_result>
cache::mget(std::span<const std::string> names) const {
  std::vector<get_result> result(names.size(), value_or_miss{});
  auto self = core_->callers.take();
  if (!self) {
    result.assign(names.size(), stopped);
    return result;
  }
  by_shard<std::string> missing{*core_};
  {
    auto pinned = core_->view->pin();
    auto now = core_->now();
    for (std::size_t i = 0; i < names.size(); ++i) {
      auto& name = qualified(tenant_, names[i]);
      auto hash = core_->view->hash(name);
      if (auto* node = core_->view->find(pinned, name, hash, now))
        result[i] = value_or_miss{node->value()};
      else
        missing.add(core_->view->shard_of(hash), name, i);
    }
  }
  missing.run<lookups>(*core_, *self.operator->(), fetch_atom_v,
                       [&](std::size_t i, lookup* x, const failure& why) {
                         result[i] = x ? to_result(*x) : get_result{why};
                       });
  return result;
}

expected<bool> cache::contains(std::string_view key) const {
  auto x = get(key);
  if (!x)
    return x.error();
  return x->has_value();
}

void cache::get(std::string_view key,
                std::function<void(get_result)> done) const {
  auto& name = qualified(tenant_, key);
  auto hash = core_->view->hash(name);
  {
    auto pinned = core_->view->pin();
    if (auto* node = core_->view->find(pinned, name, hash, core_->now())) {
      auto value = node->value();
      done(value_or_miss{std::move(value)});
      return;
    }
  }
  // The lease keeps the node from stopping while the request is handed over.
  auto self = core_->callers.take();
  if (!self) {
    done(stopped);
    return;
  }
  core_->system->spawn([to = core_->coordinator_of(hash), wanted = keys{name},
                        done = std::move(done)](caf::event_based_actor* ask) {
    ask->request(to, caf::infinite, fetch_atom_v, wanted)
      .then([done](lookups& xs) { done(to_result(xs.front())); },
            [done](caf::error& why) { done(to_failure(why)); });
  });
}

std::future<cache::get_result> cache::get_async(std::string_view key) const {
  auto promise = std::make_shared<std::promise<get_result>>();
  get(key, [promise](get_result x) { promise->set_value(std::move(x)); });
  return promise->get_future();
}

// -- writing ------------------------------------------------------------------

expected<void> cache::set(std::string_view key, blob value,
                          const set_options& opts) const {
  auto self = core_->callers.take();
  if (!self)
    return stopped;
  auto name = qualify(tenant_, key);
  auto& to = core_->coordinator_of(core_->view->hash(name));
  mutations xs;
  xs.push_back(make_put(std::move(name), std::move(value), opts, core_->now()));
  auto result = self->call<mutation_results>(to, apply_atom_v, std::move(xs));
  if (!result)
    return result.error();
  return to_result(result->front());
}

expected<void> cache::set(std::string_view key, std::string_view value,
                          const set_options& opts) const {
  return set(key, blob::copy(value), opts);
}

std::vector<expected<void>> cache::mset(std::vector<named_value> xs,
                                        const set_options& opts) const {
  std::vector<expected<void>> result(xs.size());
  auto self = core_->callers.take();
  if (!self) {
    result.assign(xs.size(), stopped);
    return result;
  }
  by_shard<mutation> changes{*core_};
  auto now = core_->now();
  for (std::size_t i = 0; i < xs.size(); ++i) {
    auto name = qualify(tenant_, xs[i].key);
    auto shard = core_->view->shard_of(core_->view->hash(name));
    changes.add(
      shard, make_put(std::move(name), std::move(xs[i].value), opts, now), i);
  }
  changes.run<mutation_results>(
    *core_, *self.operator->(), apply_atom_v,
    [&](std::size_t i, mutation_result* x, const failure& why) {
      result[i] = x ? to_result(*x) : expected<void>{why};
    });
  return result;
}

void cache::set(std::string_view key, blob value, const set_options& opts,
                std::function<void(expected<void>)> done) const {
  auto self = core_->callers.take();
  if (!self) {
    done(stopped);
    return;
  }
  auto name = qualify(tenant_, key);
  auto& to = core_->coordinator_of(core_->view->hash(name));
  mutations xs;
  xs.push_back(make_put(std::move(name), std::move(value), opts, core_->now()));
  core_->system->spawn([to, xs = std::move(xs),
                        done = std::move(done)](caf::event_based_actor* ask) {
    ask->request(to, caf::infinite, apply_atom_v, xs)
      .then([done](const mutation_results& ys) { done(to_result(ys.front())); },
            [done](caf::error& why) { done(to_failure(why)); });
  });
}

std::future<expected<void>> cache::set_async(std::string_view key, blob value,
                                             const set_options& opts) const {
  auto promise = std::make_shared<std::promise<expected<void>>>();
  set(key, std::move(value), opts,
      [promise](expected<void> x) { promise->set_value(std::move(x)); });
  return promise->get_future();
}

expected<bool> cache::erase(std::string_view key) const {
  std::string name{key};
  auto result = erase(std::span<const std::string>{&name, 1});
  if (!result)
    return result.error();
  return *result > 0;
}

expected<std::size_t> cache::erase(std::span<const std::string> names) const {
  auto self = core_->callers.take();
  if (!self)
    return stopped;
  by_shard<mutation> changes{*core_};
  for (std::size_t i = 0; i < names.size(); ++i) {
    mutation x;
    x.what = mutation::op::erase;
    x.key = qualify(tenant_, names[i]);
    auto shard = core_->view->shard_of(core_->view->hash(x.key));
    changes.add(shard, std::move(x), i);
  }
  std::size_t erased = 0;
  failure first;
  changes.run<mutation_results>(*core_, *self.operator->(), apply_atom_v,
                                [&](std::size_t, mutation_result* x,
                                    const failure& why) {
                                  auto code = x ? failure{x->code, {}} : why;
                                  if (code && !first)
                                    first = code;
                                  erased += x && x->applied ? 1 : 0;
                                });
  if (first)
    return first;
  return erased;
}

expected<bool> cache::expire(std::string_view key,
                             std::chrono::milliseconds ttl) const {
  auto self = core_->callers.take();
  if (!self)
    return stopped;
  mutation x;
  x.what = mutation::op::expire;
  x.key = qualify(tenant_, key);
  x.expires_ms = ttl.count() > 0 ? core_->now() + ttl.count() : 0;
  auto& to = core_->coordinator_of(core_->view->hash(x.key));
  mutations xs;
  xs.push_back(std::move(x));
  auto result = self->call<mutation_results>(to, apply_atom_v, std::move(xs));
  if (!result)
    return result.error();
  auto& done = result->front();
  if (done.code != errc::none)
    return failure{done.code, {}};
  // Taking away an expiry that is not there changes nothing but is no failure.
  return done.applied || (ttl.count() <= 0 && done.had_old);
}

// -- loading ------------------------------------------------------------------

expected<blob> cache::get_or_load(std::string_view key, const loader& load,
                                  const load_options& opts) const {
  auto name = qualify(tenant_, key);
  auto hash = core_->view->hash(name);
  {
    auto pinned = core_->view->pin();
    if (auto* node = core_->view->find(pinned, name, hash, core_->now()))
      return node->value();
  }
  auto self = core_->callers.take();
  if (!self)
    return stopped;
  auto& to = core_->coordinator_of(hash);
  auto answer = self->call<claim>(
    to, claim_atom_v, name, static_cast<std::uint64_t>(opts.timeout.count()));
  if (!answer)
    return answer.error();
  if (answer->token == 0)
    return std::move(answer->found.data.value);
  expected<blob> loaded{failure{errc::loader_failed, {}}};
  try {
    loaded = load();
  } catch (const std::exception& x) {
    loaded = failure{errc::loader_failed, x.what()};
  }
  if (!loaded) {
    caf::anon_send(to, abandon_atom_v, name, answer->token, loaded.error());
    return loaded;
  }
  // Whether it could be kept does not matter to the caller: the value is right.
  static_cast<void>(self->call<mutation_result>(
    to, fulfil_atom_v, answer->token,
    make_put(std::move(name), *loaded, opts.set, core_->now())));
  return loaded;
}

// -- invalidation, figures ----------------------------------------------------

expected<invalidation_report>
cache::invalidate(selector what, const std::string& reason) const {
  auto self = core_->callers.take();
  if (!self)
    return stopped;
  what.tenant = tenant_;
  return self->call<invalidation_report>(core_->invalidator, invalidate_atom_v,
                                         std::move(what), reason);
}

expected<invalidation_report> cache::clear() const {
  return invalidate({selector::kind::tenant, tenant_, {}}, "clear");
}

expected<node_report> cache::stats() const {
  auto self = core_->callers.take();
  if (!self)
    return stopped;
  return self->call<node_report>(core_->metrics, report_atom_v);
}

} // namespace terrace
