#include "tools/bench/disk_open_store.hpp"

#include "actors/clock.hpp"

#include <chrono>
#include <cstdio>
#include <iostream>
#include <random>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

/// Entries of one commit of the fill: past all journals, straight into the
/// tree.
constexpr std::uint64_t fill_batch = 250'000;

/// Entries staged at a time by the process that is killed.
constexpr std::size_t write_batch = 1000;

/// How much of `max_pending_size` it has written, or has waiting in memory,
/// when it says that it may be killed; a merge begins at half of it.
constexpr double written_enough = 0.45;

/// What a change takes in the journal beside key and value, about.
constexpr std::uint64_t change_overhead = 40;

disk_options bench_store_options() {
  disk_options result;
  result.max_size = 64ull << 30;
  return result;
}

double since(clock_type::time_point start) {
  return std::chrono::duration<double, std::nano>(clock_type::now() - start)
    .count();
}

int fail(const failure& why) {
  std::cerr << "terrace-bench: " << to_string(why) << '\n';
  return 1;
}

/// One line: nanoseconds until it was open and until it had answered, of
/// `count` and `describe`, and the count.
int look_once(const disk_open_options& opts) {
  auto key = open_bench_key(opts.number);
  auto wanted = open_bench_value(opts.number, opts.value_size);
  auto start = clock_type::now();
  auto store = open_bench_store(opts.path);
  if (!store)
    return fail(store.error());
  auto open = since(start);
  auto found = (*store)->fetch({&key, 1}, system_now_ms());
  auto answered = since(start);
  if (!found[0].hit() || found[0].data.value != wanted)
    return fail({errc::corrupt, "a key is missing or has a wrong value"});
  start = clock_type::now();
  auto count = (*store)->count(0);
  auto counted = since(start);
  if (!count)
    return fail(count.error());
  tier_status status;
  start = clock_type::now();
  (*store)->describe(status);
  std::printf("%.0f %.0f %.0f %.0f %llu\n", open, answered, counted,
              since(start), static_cast<unsigned long long>(*count));
  return 0;
}

/// Writes one line when enough waits.
int write_for_ever(const disk_open_options& opts) {
  auto store = open_bench_store(opts.path);
  if (!store)
    return fail(store.error());
  auto count = (*store)->count(0);
  if (!count || *count == 0)
    return fail(count ? failure{errc::corrupt, "the store is empty"}
                      : count.error());
  auto limits = bench_store_options();
  auto enough = static_cast<double>(limits.max_pending_size) * written_enough;
  std::mt19937_64 random{opts.number};
  auto version = opts.number;
  std::uint64_t written = 0;
  for (auto told = false;;) {
    entries xs;
    for (std::size_t n = 0; n < write_batch; ++n) {
      auto i = random() % *count;
      xs.push_back({open_bench_key(i),
                    {open_bench_value(i, opts.value_size), ++version, 0, {}}});
      written += xs.back().key.size() + opts.value_size + change_overhead;
    }
    store_report report;
    if (!(*store)->try_stage(xs, false, system_now_ms(), report))
      return fail({errc::io_failure, "an entry was not taken"});
    if ((*store)->staged_bytes() >= limits.commit_size || (*store)->full())
      if (auto ok = (*store)->commit(system_now_ms()); !ok)
        return fail(ok.error());
    auto waiting = std::max(written, (*store)->pending_bytes());
    if (!told && static_cast<double>(waiting) > enough) {
      std::puts("written");
      std::fflush(stdout);
      told = true;
    }
  }
}

} // namespace

expected<std::unique_ptr<lmdb_store>>
open_bench_store(const std::string& folder) {
  return lmdb_store::open(bench_store_options(), compression_options{}, folder);
}

std::string open_bench_key(std::uint64_t i) {
  char text[32];
  std::snprintf(text, sizeof(text), "item:%012llu",
                static_cast<unsigned long long>(i));
  return qualify(0, text);
}

blob open_bench_value(std::uint64_t i, std::size_t size) {
  return blob::build(size, [&](char* out) {
    for (std::size_t k = 0; k < size; ++k, i = i * 6364136223846793005u + 1)
      out[k] = static_cast<char>(i >> 56);
  });
}

expected<void> fill_bench_store(lmdb_store& to, std::uint64_t count,
                                std::size_t value_size) {
  entries xs;
  for (std::uint64_t i = 0; i < count; ++i) {
    xs.push_back(
      {open_bench_key(i), {open_bench_value(i, value_size), i + 1, 0, {}}});
    if (xs.size() < fill_batch && i + 1 < count)
      continue;
    store_report report;
    if (!to.try_stage(xs, false, system_now_ms(), report)
        || report.stored != xs.size())
      return failure{errc::io_failure, "the engine did not take an entry"};
    if (auto ok = to.flush(system_now_ms()); !ok)
      return ok;
    xs.clear();
  }
  return {};
}

int disk_open_role(const disk_open_options& opts) {
  return opts.what == disk_open_options::role::open ? look_once(opts)
                                                    : write_for_ever(opts);
}

} // namespace terrace::bench
