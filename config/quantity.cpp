#include "config/quantity.hpp"

#include <charconv>
#include <limits>
#include <span>

namespace terrace {

namespace {

struct unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr unit size_units[] = {
  {"B", 1},
  {"KiB", 1ull << 10},
  {"MiB", 1ull << 20},
  {"GiB", 1ull << 30},
  {"TiB", 1ull << 40},
  {"KB", 1'000},
  {"MB", 1'000'000},
  {"GB", 1'000'000'000},
  {"TB", 1'000'000'000'000},
};

constexpr unit duration_units[] = {
  {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000},
};

struct number_and_unit {
  std::uint64_t number;
  std::string_view unit;
};

std::optional<number_and_unit> split(std::string_view text) noexcept {
  std::uint64_t number = 0;
  auto last = text.data() + text.size();
  auto [ptr, ec] = std::from_chars(text.data(), last, number);
  if (ec != std::errc{})
    return std::nullopt;
  return number_and_unit{number, text.substr(ptr - text.data())};
}

std::optional<std::uint64_t> multiply(const number_and_unit& x,
                                      std::span<const unit> units) noexcept {
  for (auto& [name, factor] : units) {
    if (name != x.unit)
      continue;
    if (x.number > std::numeric_limits<std::uint64_t>::max() / factor)
      return std::nullopt;
    return x.number * factor;
  }
  return std::nullopt;
}

std::string format(std::uint64_t x, std::span<const unit> units) {
  if (x == 0)
    return "0";
  auto best = units.front();
  for (auto& candidate : units)
    if (x % candidate.factor == 0 && candidate.factor > best.factor)
      best = candidate;
  auto result = std::to_string(x / best.factor);
  result += best.name;
  return result;
}

} // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
  auto x = split(text);
  if (!x)
    return std::nullopt;
  return x->unit.empty() ? x->number : multiply(*x, size_units);
}

std::optional<std::chrono::milliseconds>
parse_duration(std::string_view text) noexcept {
  auto x = split(text);
  if (!x)
    return std::nullopt;
  if (x->unit.empty() && x->number == 0)
    return std::chrono::milliseconds{0};
  auto ms = multiply(*x, duration_units);
  if (!ms || *ms > std::numeric_limits<std::int64_t>::max())
    return std::nullopt;
  return std::chrono::milliseconds{static_cast<std::int64_t>(*ms)};
}

std::string format_size(std::uint64_t bytes) {
  return format(bytes, size_units);
}

std::string format_duration(std::chrono::milliseconds x) {
  if (x.count() < 0)
    return std::to_string(x.count()) + "ms";
  return format(static_cast<std::uint64_t>(x.count()), duration_units);
}

std::optional<std::int64_t> parse_count(std::string_view text) noexcept {
  auto x = split(text);
  if (!x || !x->unit.empty()
      || x->number > std::numeric_limits<std::int64_t>::max())
    return std::nullopt;
  return static_cast<std::int64_t>(x->number);
}

} // namespace terrace
