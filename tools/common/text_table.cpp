#include "tools/common/text_table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace terrace {

namespace {

/// `x` with three significant digits, at least the whole part.
std::string short_number(double x) {
  std::array<char, 32> buf;
  auto decimals = x < 9.995 ? 2 : x < 99.95 ? 1 : 0;
  std::snprintf(buf.data(), buf.size(), "%.*f", decimals, x);
  std::string result = buf.data();
  if (result.find('.') != std::string::npos) {
    result.erase(result.find_last_not_of('0') + 1);
    if (result.back() == '.')
      result.pop_back();
  }
  return result;
}

} // namespace

std::string text_table::str() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  std::string result;
  for (auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string blanks(widths[i] - row[i].size(), ' ');
      line += i == 0 ? row[i] + blanks : "  " + blanks + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + '\n';
  }
  return result;
}

std::string count_text(std::uint64_t x) {
  auto result = std::to_string(x);
  for (auto at = static_cast<int>(result.size()) - 3; at > 0; at -= 3)
    result.insert(static_cast<std::size_t>(at), ",");
  return result;
}

std::string bytes_text(std::uint64_t x) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(x);
  std::size_t unit = 0;
  for (; value >= 1023.5 && unit + 1 < std::size(units); ++unit)
    value /= 1024;
  return short_number(value) + ' ' + units[unit];
}

std::string duration_text(double ns) {
  constexpr const char* units[] = {"ns", "us", "ms", "s"};
  std::size_t unit = 0;
  for (; ns >= 999.5 && unit + 1 < std::size(units); ++unit)
    ns /= 1000;
  return short_number(ns) + ' ' + units[unit];
}

std::string percent_text(std::optional<double> x) {
  if (!x)
    return "-";
  std::array<char, 32> buf;
  std::snprintf(buf.data(), buf.size(), "%.2f %%", *x * 100);
  return buf.data();
}

std::string uptime_text(std::int64_t seconds) {
  auto text = [](std::int64_t x, const char* unit, std::int64_t y,
                 const char* smaller) {
    return std::to_string(x) + unit + ' ' + std::to_string(y) + smaller;
  };
  if (seconds >= 86400)
    return text(seconds / 86400, "d", seconds % 86400 / 3600, "h");
  if (seconds >= 3600)
    return text(seconds / 3600, "h", seconds % 3600 / 60, "m");
  if (seconds >= 60)
    return text(seconds / 60, "m", seconds % 60, "s");
  return std::to_string(seconds) + 's';
}

} // namespace terrace
