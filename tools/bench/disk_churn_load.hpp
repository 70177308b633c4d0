/// The load of `terrace-bench disk-churn`.
#pragma once

#include "actors/tier_handle.hpp"
#include "tools/bench/disk_churn.hpp"
#include "tools/bench/zipf.hpp"

#include <atomic>
#include <cstdint>
#include <future>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

namespace terrace::bench {

/// What has happened so far. Written by the load, read by anybody.
struct churn_counters {
  std::atomic<std::uint64_t> hits{0};
  std::atomic<std::uint64_t> misses{0};
  std::atomic<std::uint64_t> writes{0};
  std::atomic<std::uint64_t> accepted{0}; ///< bytes of keys and values stored
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> failed{0}; ///< look-ups and writes
};

/// Values of many sizes. A value says its key's number and its size, the rest
/// is noise.
class churn_values {
public:
  explicit churn_values(const disk_churn_options& opts);

  /// Different keys, so many that their values have the size that was asked
  /// for, about.
  std::size_t keys() const noexcept {
    return keys_;
  }

  /// A value for key number `i`, of a size drawn from `random`.
  blob make(std::uint64_t i, std::mt19937_64& random) const;

  bool is_value_of(std::uint64_t i, std::string_view x) const noexcept;

private:
  struct head {
    std::uint64_t number;
    std::uint64_t size;
  };

  std::uint64_t draw_size(std::mt19937_64& random) const;

  const char* noise_of(const head& x) const noexcept;

  std::uint64_t min_;
  std::uint64_t max_;
  bool large_;
  std::size_t keys_ = 0;
  std::vector<char> noise_;
};

/// Runs callers, each with one request under way, until `done` is set; fulfils
/// the future when the last one has its answer. What it is given must outlive
/// that.
std::future<void>
run_churn(caf::actor_system& sys, const tier_handle& tier,
          const churn_values& values, const disk_churn_options& opts,
          churn_counters& counters, const std::atomic<bool>& done);

} // namespace terrace::bench
