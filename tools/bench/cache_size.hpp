/// How large simulated caches are.
#pragma once

#include "config/quantity.hpp"
#include "tools/bench/trace.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>

namespace terrace::bench {

/// Bytes of all keys' values; keys, if sizes are not recorded.
inline std::uint64_t total_size(const trace& x) {
  if (x.sizes.empty())
    return x.keys.size();
  return std::accumulate(x.sizes.begin(), x.sizes.end(), std::uint64_t{0});
}

/// Reads "1%", a share of `all` of at least 1, or a size. Nothing if `text` is
/// neither.
inline std::optional<std::uint64_t> read_cache_size(std::string_view text,
                                                    std::uint64_t all) {
  if (!text.ends_with('%'))
    return parse_size(text);
  text.remove_suffix(1);
  double percent = 0;
  auto end = text.data() + text.size();
  auto [at, err] = std::from_chars(text.data(), end, percent);
  if (err != std::errc{} || at != end || !(percent > 0))
    return std::nullopt;
  auto result = std::floor(static_cast<double>(all) * percent / 100);
  return std::max<std::uint64_t>(static_cast<std::uint64_t>(result), 1);
}

} // namespace terrace::bench
