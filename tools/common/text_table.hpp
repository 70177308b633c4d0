/// Figures as people read them: tables, counts, sizes, durations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace terrace {

/// Rows of cells; columns are as wide as they must be. The first column is
/// left-aligned, the others right-aligned. Cells are ASCII.
class text_table {
public:
  explicit text_table(std::vector<std::string> head) : rows_{std::move(head)} {
    // nop
  }

  /// Must have as many cells as the head.
  void add(std::vector<std::string> row) {
    rows_.push_back(std::move(row));
  }

  /// Lines that end in a line feed, two blanks between columns.
  std::string str() const;

private:
  std::vector<std::vector<std::string>> rows_;
};

/// 1234567 is "1,234,567".
std::string count_text(std::uint64_t x);

/// Rounded to three digits: "512 B", "1.21 MiB".
std::string bytes_text(std::uint64_t x);

/// Rounded to three digits: "310 ns", "4.2 us", "12.5 ms", "1.5 s".
std::string duration_text(double ns);

/// 0.934 is "93.40 %"; "-" if there is none.
std::string percent_text(std::optional<double> x);

/// "2d 3h", "3h 12m", "12m 5s", "5s"
std::string uptime_text(std::int64_t seconds);

} // namespace terrace
