// Nodes that share a real Redis write the same keys while they are parted from
// it again and again. What a node answers may be stale by what its gauge says,
// and afterwards not at all. TERRACE_PARTITION_WRITES: how long it takes.

#define CAF_SUITE actors.backplane_partitions

#include "tests/support/shared_redis.hpp"

#include <caf/test/unit_test.hpp>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <random>
#include <vector>

using namespace terrace;
using namespace terrace::test;
using namespace std::chrono_literals;

namespace {

using steady = std::chrono::steady_clock;

constexpr std::size_t key_count = 300;
constexpr int partitions = 20;

/// Versions count milliseconds: of two writes closer than this, either may be
/// the newer one.
constexpr auto unclear = 2ms;

struct write {
  steady::time_point begin;
  steady::time_point end;
  std::size_t number; ///< the value, in text
  bool erased;
};

struct read {
  std::size_t key;
  std::string value;
  steady::time_point begin;
  std::chrono::milliseconds allowed; ///< staleness
};

std::size_t wanted_writes() {
  auto* text = std::getenv("TERRACE_PARTITION_WRITES");
  return text ? std::strtoul(text, nullptr, 10) : 10'000;
}

std::string name_of(std::size_t key) {
  return "key:" + std::to_string(key);
}

struct world {
  world(std::size_t nodes, std::uint64_t seed)
    : random(seed), history(key_count), guards(key_count) {
    for (std::size_t i = 0; i < nodes; ++i)
      all.push_back(
        std::make_unique<shared_node>(server, i % 2 == 0, seed + i));
  }

  /// Writes, and reads in between, until enough was written.
  void work(std::size_t who, std::size_t writes) {
    auto cache = all[who]->cache();
    std::mt19937_64 dice{who * 7919 + 1};
    std::vector<read> mine;
    for (;;) {
      auto key = dice() % key_count;
      if (dice() % 2 == 0) {
        auto number = ++last_number;
        if (number > writes)
          break;
        write x{steady::now(), {}, number, dice() % 10 == 0};
        if (x.erased)
          static_cast<void>(cache.erase(name_of(key)));
        else if (!cache.set(name_of(key), std::to_string(number)))
          ++refused;
        x.end = steady::now();
        std::lock_guard lock{guards[key]};
        history[key].push_back(x);
      } else {
        auto allowed = all[who]->running->staleness();
        auto before = steady::now();
        auto found = cache.get(name_of(key));
        // A part of a millisecond at either end.
        allowed += std::chrono::ceil<std::chrono::milliseconds>(steady::now()
                                                                - before)
                   + 2ms;
        if (found && *found)
          mine.push_back({key, std::string{(*found)->view()}, before, allowed});
      }
    }
    std::lock_guard lock{reads_mutex};
    reads.insert(reads.end(), mine.begin(), mine.end());
  }

  /// Parts some nodes from Redis, and joins them again.
  void part() {
    std::vector<shared_node*> parted;
    for (auto& x : all)
      if (random() % 2 == 0)
        parted.push_back(x.get());
    if (parted.empty())
      parted.push_back(all[random() % all.size()].get());
    for (auto* x : parted)
      x->proxy.set(random() % 2 == 0 ? partition_proxy::state::closed
                                     : partition_proxy::state::stuck);
    std::this_thread::sleep_for(std::chrono::milliseconds{50 + random() % 350});
    for (auto* x : parted)
      x->proxy.set(partition_proxy::state::open);
  }

  void run(std::size_t writes, int times) {
    std::vector<std::thread> workers;
    for (std::size_t i = 0; i < all.size(); ++i)
      workers.emplace_back([this, i, writes] { work(i, writes); });
    for (int i = 0; i < times; ++i) {
      auto due = writes / static_cast<std::size_t>(times + 1)
                 * static_cast<std::size_t>(i + 1);
      while (last_number < due)
        std::this_thread::sleep_for(1ms);
      part();
    }
    for (auto& x : workers)
      x.join();
  }

  /// How long the value had been replaced when it was read; nothing if it was
  /// not.
  std::optional<steady::duration> staleness(const read& x) {
    auto& writes = history[x.key];
    auto number = std::stoul(x.value);
    const write* mine = nullptr;
    for (auto& one : writes)
      if (one.number == number && !one.erased)
        mine = &one;
    if (!mine)
      return steady::duration::max(); // never written
    std::optional<steady::duration> result;
    for (auto& one : writes)
      if (one.begin > mine->end + unclear && one.end < x.begin)
        result = std::max(result.value_or(0ms), x.begin - one.end);
    return result;
  }

  redis_server server;
  std::mt19937_64 random;
  std::vector<std::unique_ptr<shared_node>> all;
  std::vector<std::vector<write>> history; ///< by key
  std::vector<std::mutex> guards;
  std::atomic<std::size_t> last_number{0};
  std::atomic<std::size_t> refused{0};
  std::mutex reads_mutex;
  std::vector<read> reads;
};

void check(world& x) {
  // While it went on, nobody was staler than the gauge said.
  std::size_t stale = 0;
  std::size_t staler = 0;
  steady::duration worst{};
  for (auto& one : x.reads) {
    auto late = x.staleness(one);
    stale += late.has_value();
    staler += late && *late > one.allowed;
    if (late && *late != steady::duration::max())
      worst = std::max(worst, *late);
  }
  CAF_MESSAGE(
    x.reads.size()
    << " hits, " << stale << " of them stale, at most by "
    << std::chrono::duration_cast<std::chrono::milliseconds>(worst).count()
    << " ms; staler than the gauge: " << staler
    << "; writes refused: " << x.refused.load());
  CAF_CHECK_EQUAL(staler, 0u);
  CAF_CHECK_EQUAL(x.refused.load(), 0u);
  // Afterwards nobody is stale.
  auto healed = steady::now();
  for (auto& node : x.all)
    CAF_REQUIRE(node->catches_up());
  CAF_MESSAGE("caught up in "
              << std::chrono::duration_cast<std::chrono::milliseconds>(
                   steady::now() - healed)
                   .count()
              << " ms");
  std::size_t wrong = 0;
  std::size_t different = 0;
  std::size_t present = 0;
  for (std::size_t key = 0; key < key_count; ++key) {
    std::string first;
    for (std::size_t i = 0; i < x.all.size(); ++i) {
      auto value = x.all[i]->get(name_of(key));
      if (value == "(miss)")
        continue;
      ++present;
      wrong += x.staleness({key, value, steady::now(), 0ms}).has_value();
      different += !first.empty() && value != first;
      first = value;
    }
  }
  CAF_MESSAGE(present << " values present");
  CAF_CHECK(present > key_count / 2);
  CAF_CHECK_EQUAL(wrong, 0u);
  CAF_CHECK_EQUAL(different, 0u);
}

void partitioned(std::size_t nodes, std::uint64_t seed) {
  world x{nodes, seed};
  x.run(wanted_writes(), partitions);
  check(x);
}

void meddled(std::size_t nodes, std::uint64_t seed) {
  world x{nodes, seed};
  for (auto& node : x.all)
    node->proxy.meddle(10);
  x.run(wanted_writes(), partitions / 4);
  std::uint64_t events = 0;
  for (auto& node : x.all)
    events += node->proxy.meddled();
  CAF_MESSAGE(events << " messages lost, repeated or swapped");
  CAF_CHECK(events > 100);
  check(x);
}

} // namespace

CAF_TEST(two nodes and partitions) {
  partitioned(2, 1);
}

CAF_TEST(five nodes and partitions) {
  partitioned(5, 2);
}

CAF_TEST(two nodes whose events are lost repeated and swapped) {
  meddled(2, 3);
}

CAF_TEST(five nodes whose events are lost repeated and swapped) {
  meddled(5, 4);
}
