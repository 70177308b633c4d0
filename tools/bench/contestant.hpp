/// What the caches of a comparison have in common.
#pragma once

#include "tools/bench/key_set.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace terrace::bench {

/// Requests to be made in one go. Each is the number of a key; the highest bit
/// says that the key is written, otherwise it is read.
struct request_batch {
  static constexpr std::uint32_t write_bit = 1u << 31;

  const key_set& keys;
  std::span<const std::uint32_t> requests;
  std::string_view value; ///< of every key; not empty
};

/// Outcomes. A request is a read or a write; what a miss makes a user write is
/// part of that read, so that nobody gains operations by missing.
struct request_tally {
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t wrong = 0; ///< hits with another value than was written

  request_tally& operator+=(const request_tally& x) noexcept {
    requests += x.requests;
    hits += x.hits;
    misses += x.misses;
    wrong += x.wrong;
    return *this;
  }
};

/// A cache under test. One virtual call a batch, for all of them alike.
class contestant {
public:
  virtual ~contestant() = default;

  /// Makes all requests of `x`. Thread-safe.
  virtual request_tally run(const request_batch& x) = 0;

  /// What else is worth telling at the end; mostly nothing.
  virtual std::string note() {
    return {};
  }
};

using contestant_ptr = std::unique_ptr<contestant>;

/// The loop of `contestant::run`, compiled for one cache. That cache has
///
///     void put(std::string_view key, std::string_view value);
///     bool get(std::string_view key, auto&& use); // use(std::string_view)
///     void add(std::string_view key, std::string_view value); // may be left
///     out
///
/// where `add` may be cheaper than `put` because the key was just missed and
/// `get` calls `use` with the value, if there is one, while it is safe to
/// read. The keys come from memory too: they are asked for early, so that their
/// absence from the processor's caches is not measured.
template <class Cache>
request_tally drive(Cache&& cache, const request_batch& x) {
  constexpr std::size_t ahead = 16;
  request_tally result;
  result.requests = x.requests.size();
  auto n = x.requests.size();
  for (std::size_t i = 0; i < n; ++i) {
    x.keys.prefetch(x.requests[i + ahead < n ? i + ahead : i]
                    & ~request_batch::write_bit);
    auto request = x.requests[i];
    auto key = x.keys[request & ~request_batch::write_bit];
    if (request & request_batch::write_bit) {
      cache.put(key, x.value);
      continue;
    }
    auto check = [&](std::string_view value) {
      result.wrong += value.size() != x.value.size()
                      || value.front() != x.value.front()
                      || value.back() != x.value.back();
    };
    if (cache.get(key, check)) {
      ++result.hits;
      continue;
    }
    ++result.misses;
    if constexpr (requires { cache.add(key, x.value); })
      cache.add(key, x.value);
    else
      cache.put(key, x.value);
  }
  return result;
}

/// A cache that threads may share as it is.
template <class Cache>
class shared_contestant final : public contestant {
public:
  template <class... Ts>
  explicit shared_contestant(Ts&&... xs) : cache_(std::forward<Ts>(xs)...) {
    // nop
  }

  request_tally run(const request_batch& x) override {
    return drive(cache_, x);
  }

private:
  Cache cache_;
};

} // namespace terrace::bench
