#include "actors/system.hpp"

#include "actors/backplane.hpp"
#include "actors/cache_core.hpp"
#include "actors/configurator.hpp"
#include "actors/coordinator.hpp"
#include "actors/dictionary_trainer.hpp"
#include "actors/disk_tier.hpp"
#include "actors/http_gateway.hpp"
#include "actors/invalidator.hpp"
#include "actors/keyspace.hpp"
#include "actors/log.hpp"
#include "actors/memory_tier.hpp"
#include "actors/metrics.hpp"
#include "actors/redis_tier.hpp"
#include "actors/resp/server.hpp"
#include "actors/supervisor.hpp"
#include "actors/warm_restart.hpp"
#include "config/memory_budget.hpp"
#include "config/options_access.hpp"

#include <caf/io/middleman.hpp>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <limits>
#include <random>
#include <thread>

namespace terrace {

namespace {

struct caf_config : caf::actor_system_config {
  explicit caf_config(const node_options& opts) {
    add_terrace_types(*this);
    load<caf::io::middleman>();
    // A caller that waits must not meet a worker that sleeps.
    set("scheduler.policy", caf::atom("sharing"));
    auto cores = std::max(2u, std::thread::hardware_concurrency());
    set("scheduler.max-threads",
        static_cast<std::size_t>(opts.workers == 0 ? cores : opts.workers));
    // Brokers: one read per event, and no flood of messages before the sockets
    // get their turn.
    set("middleman.max-consecutive-reads", std::size_t{1});
    set("scheduler.max-throughput", std::size_t{64});
  }
};

/// For this start of this node.
std::string random_name() {
  std::random_device random;
  char result[17];
  std::snprintf(result, sizeof(result), "%08x%08x", random(), random());
  return result;
}

std::string disk_path(const options& opts) {
  return opts.disk.path.empty() ? opts.node.data_dir + "/disk" : opts.disk.path;
}

/// Of the bytes of L1, one in so many for a list of its keys.
constexpr std::uint64_t kept_share = 16;

std::size_t shard_count(const node_options& opts) {
  if (opts.shards != 0)
    return opts.shards;
  auto cores = std::max(1u, std::thread::hardware_concurrency());
  return std::bit_floor(std::max(1u, cores / 2));
}

} // namespace

struct node::parts {
  explicit parts(const options& opts)
    : live(std::make_shared<live_options>(opts)),
      config(std::make_shared<const options>(with_budget(opts))),
      caf_cfg(opts.node),
      system(std::make_unique<caf::actor_system>(caf_cfg)),
      core(std::make_shared<cache_core>(*system)) {
    // nop
  }

  live_options_ptr live;
  std::shared_ptr<const options> config; ///< as the node was started
  caf_config caf_cfg;
  std::unique_ptr<caf::actor_system> system;
  std::shared_ptr<cache_core> core;
  std::vector<tier_handle> memory;    ///< one per shard
  std::vector<tier_handle> shared;    ///< the rest of the chain
  std::vector<tier_handle> all_tiers; ///< in the chain's order
  std::shared_ptr<hybrid_clock> clock = std::make_shared<hybrid_clock>();
  std::vector<memory_tier_actor> memory_actors;
  keyspace_actor keyspace_handle;
  std::shared_ptr<redis_announcer> announcer; ///< null: no backplane
  std::shared_ptr<backplane_gauge> gauge;     ///< likewise
  backplane_actor backplane_handle;           ///< likewise
  warm_restart_actor warm_restart_handle;     ///< null: not wanted
  configurator_actor configurator_handle;
  dictionary_set_ptr dictionaries;
  dictionary_trainer_actor trainer_handle; ///< null: nothing is trained
  caf::actor supervisor_handle;
  std::unique_ptr<resp_server> resp;
  std::unique_ptr<http_gateway> http;
  std::uint16_t resp_port = 0;
  std::uint16_t http_port = 0;

  expected<void> open_tiers();
  tier_actor find(tier_kind kind) const;
  void spawn_core();
  void spawn_trainer();
  void spawn_backplane();
  void spawn_warm_restart();
  expected<void> open_ports();
  void supervise(failure_callback on_failure);
  void stop();

  template <class Handle>
  void end(std::vector<Handle>& xs);
};

// -- start --------------------------------------------------------------------

expected<void> node::parts::open_tiers() {
  auto& opts = *config;
  auto shards = shard_count(opts.node);
  std::random_device random;
  auto seed = (static_cast<std::uint64_t>(random()) << 32) | random();
  core->now = system_now_ms;
  // Without memory in the chain the view stays empty and every look-up goes on
  // to the coordinator.
  core->view = memory_store::make_view(opts.memory, shards, seed);
  // Even if nothing more is written with one, what has been stays readable.
  dictionaries = std::make_shared<dictionary_set>(opts.compression);
  for (auto& tier_name : opts.cache.chain) {
    if (tier_name == to_string(tier_kind::memory) && opts.memory.enabled) {
      for (std::size_t i = 0; i < shards; ++i) {
        auto x = system->spawn(memory_tier, opts.memory, opts.node.max_memory,
                               core->view, i, core->now);
        memory_actors.push_back(x);
        memory.push_back({tier_kind::memory, caf::actor_cast<tier_actor>(x),
                          std::make_shared<tier_health>(), true,
                          opts.memory.max_value_size});
        all_tiers.push_back(memory.back());
      }
    } else if (tier_name == to_string(tier_kind::redis) && opts.redis.enabled) {
      if (opts.backplane.enabled && opts.backplane.tracking
          && (opts.redis.mode == "cluster" || opts.redis.mode == "sharded"))
        return failure{errc::invalid_argument,
                       "backplane.tracking needs one Redis server, "
                       "redis.mode is \""
                         + opts.redis.mode + '"'};
      if (opts.backplane.enabled) {
        announcer = std::make_shared<redis_announcer>();
        announcer->node = random_name();
        announcer->channel = opts.backplane.channel;
        announcer->log_length = opts.backplane.log_length;
        gauge = std::make_shared<backplane_gauge>();
      }
      auto x = spawn_redis_tier(*system, opts.redis, opts.compression,
                                core->now, {announcer, gauge}, dictionaries);
      if (!x)
        return x.error();
      shared.push_back(*std::move(x));
      all_tiers.push_back(shared.back());
    } else if (tier_name == to_string(tier_kind::disk) && opts.disk.enabled) {
      auto x = spawn_disk_tier(*system, opts.disk, opts.compression,
                               disk_path(opts), core->now, dictionaries);
      if (!x)
        return x.error();
      shared.push_back(*std::move(x));
      all_tiers.push_back(shared.back());
    }
  }
  if (all_tiers.empty())
    return failure{errc::invalid_argument, "no tier of the chain is enabled"};
  return {};
}

/// The tier of this kind below memory, or null.
tier_actor node::parts::find(tier_kind kind) const {
  auto i = std::find_if(shared.begin(), shared.end(),
                        [=](auto& x) { return x.kind == kind; });
  return i != shared.end() ? i->actor : tier_actor{};
}

void node::parts::spawn_core() {
  for (std::size_t i = 0; i < core->view->shards(); ++i) {
    coordinator_setup setup;
    setup.cache = config->cache;
    setup.view = core->view;
    setup.clock = clock;
    setup.now = core->now;
    auto redis = find(tier_kind::redis);
    if (redis && announcer)
      setup.shared = caf::actor_cast<shared_tier_actor>(redis);
    if (redis && config->redis.lease.count() > 0) {
      setup.leases = caf::actor_cast<lease_actor>(redis);
      setup.lease = config->redis.lease;
      setup.name = random_name();
    }
    if (!memory.empty())
      setup.tiers.push_back(memory[i]);
    setup.tiers.insert(setup.tiers.end(), shared.begin(), shared.end());
    core->coordinators.push_back(system->spawn(coordinator, std::move(setup)));
  }
  core->invalidator = system->spawn(invalidator, core->coordinators, shared,
                                    clock, core->now);
  keyspace_handle = system->spawn(keyspace, all_tiers);
  configurator_handle = system->spawn(configurator, live, memory_actors);
  core->metrics = system->spawn(
    metrics, metrics_setup{all_tiers, core->coordinators, core->now});
  caf::anon_send(core->metrics, caf::join_atom_v, std::string{"invalidator"},
                 caf::actor_cast<caf::actor>(core->invalidator));
  caf::anon_send(core->metrics, caf::join_atom_v, std::string{"keyspace"},
                 caf::actor_cast<caf::actor>(keyspace_handle));
  caf::anon_send(core->metrics, caf::join_atom_v, std::string{"configurator"},
                 caf::actor_cast<caf::actor>(configurator_handle));
}

void node::parts::spawn_trainer() {
  auto& opts = config->compression;
  if (!opts.enabled || !opts.dictionaries || shared.empty())
    return;
  trainer_handle = system->spawn<caf::detached>(dictionary_trainer,
                                                dictionaries);
  caf::anon_send(core->metrics, caf::join_atom_v, std::string{"dictionaries"},
                 caf::actor_cast<caf::actor>(trainer_handle));
}

void node::parts::spawn_backplane() {
  if (!announcer)
    return;
  backplane_setup setup{
    config->redis,
    *read_redis_urls(config->redis.url),
    config->backplane,
    announcer,
    gauge,
    caf::actor_cast<redis_tier_actor>(find(tier_kind::redis)),
    core->coordinators,
    core->invalidator,
    core->view,
    clock,
    core->now,
    {}};
  if (find(tier_kind::disk))
    setup.place_file = disk_path(*config) + "/backplane.place";
  backplane_handle = system->spawn<caf::detached>(backplane, std::move(setup));
  caf::anon_send(core->metrics, caf::join_atom_v, std::string{"backplane"},
                 caf::actor_cast<caf::actor>(backplane_handle));
}

/// Of no use without something below memory to promote from.
void node::parts::spawn_warm_restart() {
  if (!config->warming.restart || !config->cache.promote || memory.empty()
      || shared.empty())
    return;
  warm_restart_setup setup;
  setup.opts = config->warming;
  // No other node uses the folder of the disk tier.
  auto folder = find(tier_kind::disk) ? disk_path(*config)
                                      : config->node.data_dir;
  setup.file = folder + "/hot-keys";
  setup.max_bytes = std::min<std::uint64_t>(
    max_hot_keys_size, config->memory.max_size / kept_share);
  setup.view = core->view;
  setup.memory = memory_actors;
  setup.coordinators = core->coordinators;
  setup.now = core->now;
  warm_restart_handle = system->spawn<caf::detached>(warm_restart,
                                                     std::move(setup));
  caf::anon_send(core->metrics, caf::join_atom_v, std::string{"warm_restart"},
                 caf::actor_cast<caf::actor>(warm_restart_handle));
}

expected<void> node::parts::open_ports() {
  if (config->resp.enabled) {
    auto x = resp_server::start(
      *system, resp_services{core->view, core->coordinators, core->invalidator,
                             keyspace_handle, core->metrics,
                             configurator_handle, core->now, live});
    if (!x)
      return x.error();
    resp = *std::move(x);
    resp_port = resp->port();
  }
  if (config->http.enabled) {
    auto x = http_gateway::start(
      config->http, {*system, core->metrics, core->invalidator, core->now,
                     config->cache.tenants, TERRACE_VERSION});
    if (!x)
      return x.error();
    http = *std::move(x);
    http_port = http->port();
  }
  return {};
}

void node::parts::supervise(failure_callback on_failure) {
  std::vector<caf::actor> watched;
  auto add = [&](auto& x) {
    watched.push_back(caf::actor_cast<caf::actor>(x));
  };
  for (auto& x : all_tiers)
    add(x.actor);
  for (auto& x : core->coordinators)
    add(x);
  add(core->invalidator);
  add(keyspace_handle);
  add(configurator_handle);
  add(core->metrics);
  if (trainer_handle)
    add(trainer_handle);
  if (backplane_handle)
    add(backplane_handle);
  if (warm_restart_handle)
    add(warm_restart_handle);
  supervisor_handle = system->spawn(supervisor, watched, std::move(on_failure));
}

expected<std::unique_ptr<node>> node::start(const options& opts,
                                            failure_callback on_failure) {
  if (auto ok = open_log(opts.log); !ok)
    return ok.error();
  auto x = std::make_unique<parts>(opts);
  auto ok = x->open_tiers();
  if (ok) {
    x->spawn_core();
    x->spawn_trainer();
    x->spawn_backplane();
    x->spawn_warm_restart();
    ok = x->open_ports();
  }
  if (!ok) {
    x->stop();
    return ok.error();
  }
  x->supervise(std::move(on_failure));
  return std::unique_ptr<node>{new node(std::move(x))};
}

// -- use ----------------------------------------------------------------------

node::node(std::unique_ptr<parts> x) : parts_(std::move(x)) {
  // nop
}

node::~node() {
  stop();
}

cache node::cache(tenant_id tenant) const {
  return {parts_->core, tenant};
}

std::uint16_t node::resp_port() const noexcept {
  return parts_->resp_port;
}

std::uint16_t node::http_port() const noexcept {
  return parts_->http_port;
}

expected<void> node::configure(const settings& xs) {
  caf::scoped_actor self{*parts_->system, true};
  expected<void> result;
  self
    ->request(parts_->configurator_handle, caf::infinite, configure_atom_v, xs)
    .receive([](std::uint64_t) {},
             [&](caf::error& why) { result = to_failure(why); });
  return result;
}

expected<std::vector<std::string>> node::reload(const options& x) {
  auto now = parts_->live->get();
  settings changes;
  std::vector<std::string> others;
  for (auto name : option_names()) {
    auto fresh = option_value(x, name, secrets::show);
    if (fresh == option_value(*now, name, secrets::show))
      continue;
    if (is_live_option(name))
      changes.push_back({std::string{name}, *fresh});
    else
      others.emplace_back(name);
  }
  if (!changes.empty())
    if (auto ok = configure(changes); !ok)
      return ok.error();
  return others;
}

milliseconds node::staleness() const noexcept {
  return milliseconds{parts_->gauge ? parts_->gauge->staleness_ms() : 0};
}

// -- stop ---------------------------------------------------------------------

void node::stop() {
  parts_->stop();
}

/// Asks the actors to end and waits until they have.
template <class Handle>
void node::parts::end(std::vector<Handle>& xs) {
  caf::scoped_actor self{*system, true};
  for (auto& x : xs)
    self->send_exit(x, caf::exit_reason::user_shutdown);
  for (auto& x : xs)
    self->wait_for(x);
  xs.clear();
}

void node::parts::stop() {
  if (!system)
    return;
  if (supervisor_handle) {
    std::vector<caf::actor> xs{std::exchange(supervisor_handle, nullptr)};
    end(xs);
  }
  if (resp)
    resp->stop();
  resp.reset();
  if (http)
    http->stop();
  http.reset();
  auto coordinators = core->coordinators;
  std::vector<caf::actor> helpers;
  if (core->invalidator) {
    helpers.push_back(caf::actor_cast<caf::actor>(core->invalidator));
    helpers.push_back(caf::actor_cast<caf::actor>(keyspace_handle));
    helpers.push_back(caf::actor_cast<caf::actor>(configurator_handle));
    helpers.push_back(caf::actor_cast<caf::actor>(core->metrics));
  }
  if (trainer_handle)
    helpers.push_back(caf::actor_cast<caf::actor>(trainer_handle));
  keyspace_handle = nullptr;
  configurator_handle = nullptr;
  trainer_handle = nullptr;
  core->close();
  end(helpers);
  end(coordinators);
  if (warm_restart_handle) {
    // Keeps what L1 holds, so before that ends.
    std::vector<warm_restart_actor> xs{
      std::exchange(warm_restart_handle, nullptr)};
    end(xs);
  }
  if (backplane_handle) {
    std::vector<backplane_actor> xs{std::exchange(backplane_handle, nullptr)};
    end(xs);
  }
  std::vector<tier_actor> tiers;
  for (auto& x : all_tiers)
    tiers.push_back(x.actor);
  memory.clear();
  memory_actors.clear();
  shared.clear();
  all_tiers.clear();
  end(tiers);
  system.reset();
}

} // namespace terrace
