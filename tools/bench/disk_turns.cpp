#include "tools/bench/disk_turns.hpp"

#include <chrono>
#include <latch>
#include <random>
#include <thread>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

/// Calls between two looks at the clock, one of which is timed in `timed_call`.
constexpr std::size_t stride = 256;
constexpr std::size_t timed_call = 8;

/// What one thread does.
disk_turn work(disk_reader& reader, const drawn_keys& keys, std::size_t batch,
               std::size_t at, double seconds) {
  disk_turn result;
  std::uint64_t calls = 0;
  auto start = clock_type::now();
  auto end = start + std::chrono::duration<double>(seconds);
  auto now = start;
  for (; now < end; now = clock_type::now())
    for (std::size_t i = 0; i < stride; ++i, ++calls, at += batch) {
      at = at + batch > drawn_keys::count ? 0 : at;
      if (calls % timed_call != 0) {
        result.wrong += reader.read(keys.at(at, batch));
        continue;
      }
      auto before = clock_type::now();
      result.wrong += reader.read(keys.at(at, batch));
      result.latency.add(
        static_cast<std::uint64_t>((clock_type::now() - before).count()));
    }
  result.rate = static_cast<double>(calls * batch)
                / std::chrono::duration<double>(now - start).count();
  return result;
}

} // namespace

drawn_keys drawn_keys::draw(const disk_values& values, std::uint64_t seed) {
  drawn_keys result;
  std::mt19937_64 random{seed};
  for (std::size_t i = 0; i < count; ++i) {
    auto number = static_cast<std::uint32_t>(random() % values.count());
    result.numbers.push_back(number);
    result.keys.push_back(values.qualified_key(number));
  }
  return result;
}

disk_turn read_turn(disk_peer& from, std::span<const drawn_keys> drawn,
                    std::size_t batch, std::size_t at, double seconds) {
  std::vector<disk_turn> turns(drawn.size());
  std::latch start{static_cast<std::ptrdiff_t>(drawn.size())};
  std::vector<std::thread> running;
  for (std::size_t i = 0; i < drawn.size(); ++i)
    running.emplace_back([&, i] {
      auto reader = from.reader();
      start.arrive_and_wait();
      turns[i] = work(*reader, drawn[i], batch, at, seconds);
    });
  disk_turn result;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    running[i].join();
    result.rate += turns[i].rate;
    result.wrong += turns[i].wrong;
    result.latency.merge(turns[i].latency);
  }
  return result;
}

entries make_group(const disk_values& values,
                   std::span<const std::uint32_t> numbers, version_t& version) {
  entries result;
  result.reserve(numbers.size());
  for (auto i : numbers)
    result.push_back(
      {values.qualified_key(i), {values.make(i), ++version, 0, {}}});
  return result;
}

expected<double> write_turn(disk_peer& to, const disk_values& values,
                            std::span<const std::uint32_t> numbers,
                            std::size_t group, version_t& version,
                            samples& latency) {
  clock_type::duration total{0};
  auto timed = [&](auto&& f) -> expected<void> {
    auto start = clock_type::now();
    expected<void> ok = f();
    auto took = clock_type::now() - start;
    total += took;
    latency.add(static_cast<std::uint64_t>(took.count()));
    return ok;
  };
  for (auto rest = numbers; !rest.empty();) {
    auto n = std::min(group, rest.size());
    auto xs = make_group(values, rest.first(n), version);
    rest = rest.subspan(n);
    if (auto ok = timed([&] { return to.write(xs); }); !ok)
      return ok.error();
  }
  if (auto ok = timed([&] { return to.settle(); }); !ok)
    return ok.error();
  return static_cast<double>(numbers.size())
         / std::chrono::duration<double>(total).count();
}

} // namespace terrace::bench
