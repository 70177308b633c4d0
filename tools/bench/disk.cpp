#include "tools/bench/disk.hpp"

#include "actors/clock.hpp"
#include "actors/disk_tier.hpp"
#include "tools/bench/caf_config.hpp"
#include "tools/bench/disk_peer.hpp"
#include "tools/bench/disk_report.hpp"
#include "tools/bench/disk_turns.hpp"
#include "tools/bench/progress.hpp"
#include "tools/bench/temp_folder.hpp"
#include "tools/bench/tier_callers.hpp"

#include <algorithm>
#include <iostream>
#include <numeric>
#include <random>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

constexpr double least_of_lmdb = 0.8;
constexpr double least_of_rocksdb = 1;
constexpr double least_of_engine = 0.5;

/// Everything that is measured, and the order in which it is.
class course {
public:
  explicit course(const disk_bench_options& opts)
    : opts_(opts),
      values_(opts.entries, opts.value_size, opts.content),
      order_(opts.entries) {
    std::iota(order_.begin(), order_.end(), 0u);
    std::shuffle(order_.begin(), order_.end(), std::mt19937_64{3});
    auto threads = *std::max_element(opts.threads.begin(), opts.threads.end());
    for (std::size_t i = 0; i < threads; ++i)
      drawn_.push_back(drawn_keys::draw(values_, i + 1));
  }

  course(const course&) = delete;

  ~course() {
    if (tier_.actor)
      caf::anon_send_exit(tier_.actor, caf::exit_reason::user_shutdown);
  }

  expected<void> set_up();

  expected<void> run();

  disk_report& report() noexcept {
    return report_;
  }

private:
  struct contestant {
    std::string name;
    disk_peer_ptr peer;
  };

  /// Who writes how.
  struct writer {
    std::string name;
    disk_peer* peer; ///< null: the actor
    bool synced;
  };

  expected<void> add(const char* name, const temp_folder& folder);

  expected<void> open_engine(const disk_peer_setup& setup);

  expected<void> fill(disk_peer& to, progress& shown);

  expected<void> read_round(disk_table& to, std::size_t threads,
                            std::size_t batch, std::size_t round);

  expected<void> write_round(disk_table& to, const std::vector<writer>& writers,
                             std::size_t round);

  expected<double> write_through_actor(std::span<const std::uint32_t> numbers,
                                       samples& latency);

  const disk_bench_options& opts_;
  disk_values values_;
  std::vector<std::uint32_t> order_; ///< in which keys are written
  std::vector<drawn_keys> drawn_;    ///< one per thread that reads
  std::vector<temp_folder> folders_;
  std::shared_ptr<lmdb_store> store_; ///< of engine and actor
  std::vector<contestant> peers_;
  caf_config cfg_;
  caf::actor_system sys_{cfg_};
  tier_handle tier_;
  version_t version_ = 0; ///< last one written
  std::uint64_t wrong_ = 0;
  disk_report report_;
};

// -- getting ready ------------------------------------------------------------

expected<void> course::set_up() {
  for (auto name : {"engine", "lmdb", "rocksdb"}) {
    auto folder = temp_folder::make(opts_.path);
    if (!folder)
      return folder.error();
    folders_.push_back(*std::move(folder));
    if (auto ok = add(name, folders_.back()); !ok)
      return ok;
  }
  progress shown{"filled", peers_.size() * opts_.entries,
                 opts_.quiet || opts_.json};
  for (auto& x : peers_)
    if (auto ok = fill(*x.peer, shown); !ok)
      return ok;
  return {};
}

expected<void> course::add(const char* name, const temp_folder& folder) {
  auto bytes = opts_.entries * (opts_.value_size + 28);
  disk_peer_setup setup{folder.path(), values_, bytes};
  if (name == std::string_view{"engine"})
    return open_engine(setup);
#ifndef TERRACE_HAS_ROCKSDB
  if (name == std::string_view{"rocksdb"})
    return {};
  auto peer = make_lmdb_peer(setup);
#else
  auto peer = name == std::string_view{"rocksdb"} ? make_rocksdb_peer(setup)
                                                  : make_lmdb_peer(setup);
#endif
  if (!peer)
    return peer.error();
  peers_.push_back({name, *std::move(peer)});
  return {};
}

expected<void> course::open_engine(const disk_peer_setup& setup) {
  disk_options opts;
  opts.max_size = 4 * setup.bytes + (1ull << 30); // nothing is evicted
  compression_options compression;
  compression.enabled = opts_.compress;
  auto store = lmdb_store::open(opts, compression, setup.folder);
  if (!store)
    return store.error();
  store_ = *std::move(store);
  peers_.push_back({"engine", make_engine_peer(setup, store_, opts)});
  tier_.kind = tier_kind::disk;
  tier_.health = std::make_shared<tier_health>();
  tier_.actor = sys_.spawn(disk_tier, disk_setup{opts, store_, tier_.health,
                                                 system_now_ms});
  return {};
}

/// Writes all keys, and reads all of them, so that everybody is warm.
expected<void> course::fill(disk_peer& to, progress& shown) {
  to.sync_each(false);
  for (std::size_t at = 0; at < order_.size(); at += opts_.group) {
    auto n = std::min(opts_.group, order_.size() - at);
    auto numbers = std::span{order_}.subspan(at, n);
    if (auto ok = to.write(make_group(values_, numbers, version_)); !ok)
      return ok;
    shown.advance(n);
  }
  if (auto ok = to.filled(); !ok)
    return ok;
  auto reader = to.reader();
  for (auto number : order_) {
    auto key = values_.qualified_key(number);
    wrong_ += reader->read({{&key, 1}, {&number, 1}});
  }
  return {};
}

// -- reading ------------------------------------------------------------------

/// One turn of everybody; who begins changes from round to round.
expected<void> course::read_round(disk_table& to, std::size_t threads,
                                  std::size_t batch, std::size_t round) {
  for (std::size_t i = 0; i <= peers_.size(); ++i) {
    auto who = (i + round) % (peers_.size() + 1);
    if (who < peers_.size()) {
      auto x = read_turn(*peers_[who].peer, std::span{drawn_}.first(threads),
                         batch, drawn_keys::count / opts_.rounds * round,
                         opts_.seconds);
      wrong_ += x.wrong;
      auto& row = to.row(peers_[who].name);
      row.rounds.push_back(x.rate);
      row.latency.merge(x.latency);
      continue;
    }
    auto& row = to.row("actor");
    auto rate = run_readers(sys_, tier_, values_,
                            {opts_.callers, batch, &row.latency},
                            std::chrono::duration<double>(opts_.seconds));
    if (!rate)
      return rate.error();
    row.rounds.push_back(*rate);
  }
  return {};
}

// -- writing ------------------------------------------------------------------

expected<double>
course::write_through_actor(std::span<const std::uint32_t> numbers,
                            samples& latency) {
  auto start = clock_type::now();
  auto ok = run_writers(sys_, tier_, values_, {opts_.callers, 1, &latency},
                        numbers, version_ + 1);
  version_ += numbers.size();
  if (ok)
    ok = store_->flush(system_now_ms());
  if (!ok)
    return ok.error();
  std::chrono::duration<double> took = clock_type::now() - start;
  return static_cast<double>(numbers.size()) / took.count();
}

expected<void> course::write_round(disk_table& to,
                                   const std::vector<writer>& writers,
                                   std::size_t round) {
  auto n = std::min(opts_.writes, order_.size());
  std::rotate(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(n),
              order_.end());
  auto numbers = std::span{order_}.first(n);
  for (std::size_t i = 0; i < writers.size(); ++i) {
    auto& who = writers[(i + round) % writers.size()];
    auto& row = to.row(who.name);
    if (who.peer)
      who.peer->sync_each(who.synced);
    auto rate = who.peer ? write_turn(*who.peer, values_, numbers, opts_.group,
                                      version_, row.latency)
                         : write_through_actor(numbers, row.latency);
    if (!rate)
      return rate.error();
    row.rounds.push_back(*rate);
  }
  return {};
}

// -- all ----------------------------------------------------------------------

expected<void> course::run() {
  auto tasks = opts_.threads.size() * opts_.batches.size() + 1;
  progress shown{"turns of all", tasks * opts_.rounds,
                 opts_.quiet || opts_.json};
  for (auto threads : opts_.threads)
    for (auto batch : opts_.batches) {
      auto task = "read, " + std::to_string(threads) + " thread"
                  + (threads == 1 ? ", " : "s, ") + std::to_string(batch)
                  + " a call";
      report_.tables.push_back({task, "a call", {}});
      auto& table = report_.tables.back();
      for (std::size_t i = 0; i < opts_.rounds; ++i, shown.advance())
        if (auto ok = read_round(table, threads, batch, i); !ok)
          return ok;
      report_.compare(table, "engine", "lmdb", least_of_lmdb);
      report_.compare(table, "engine", "rocksdb", least_of_rocksdb);
      report_.compare(table, "actor", "engine",
                      threads == 1 ? least_of_engine : 0);
    }
  std::vector<writer> writers;
  for (auto& x : peers_) {
    writers.push_back({x.name, x.peer.get(), true});
    if (x.name != "engine")
      writers.push_back({x.name + " unsynced", x.peer.get(), false});
  }
  writers.push_back({"actor", nullptr, true});
  report_.tables.push_back({"write",
                            "a group of " + std::to_string(opts_.group)
                              + " or the end of a "
                                "turn; of the actor, an entry",
                            {}});
  auto& table = report_.tables.back();
  for (std::size_t i = 0; i < opts_.rounds; ++i, shown.advance())
    if (auto ok = write_round(table, writers, i); !ok)
      return ok;
  report_.compare(table, "engine", "lmdb", least_of_lmdb);
  report_.compare(table, "engine", "rocksdb", 0);
  report_.compare(table, "actor", "engine", least_of_engine);
  if (wrong_ > 0)
    return failure{errc::corrupt,
                   std::to_string(wrong_) + " values were missing or wrong"};
  return {};
}

} // namespace

int disk(const disk_bench_options& opts) {
  course x{opts};
  auto ok = x.set_up();
  if (ok)
    ok = x.run();
  if (!ok) {
    std::cerr << "terrace-bench: " << to_string(ok.error()) << '\n';
    return 1;
  }
  print(opts, x.report());
  return x.report().good() ? 0 : 1;
}

} // namespace terrace::bench
