#define CAF_SUITE config.quantity

#include "config/quantity.hpp"

#include <caf/test/unit_test.hpp>

#include <limits>

using namespace terrace;
using namespace std::chrono_literals;

namespace {

constexpr auto max_u64 = std::numeric_limits<std::uint64_t>::max();

bool is_size(std::string_view text, std::uint64_t bytes) {
  return parse_size(text) == bytes;
}

bool is_duration(std::string_view text, std::chrono::milliseconds x) {
  return parse_duration(text) == x;
}

} // namespace

CAF_TEST(sizes have binary units decimal units or none) {
  CAF_CHECK(is_size("0", 0));
  CAF_CHECK(is_size("4096", 4096));
  CAF_CHECK(is_size("12B", 12));
  CAF_CHECK(is_size("512KiB", 524288));
  CAF_CHECK(is_size("256MiB", 268435456));
  CAF_CHECK(is_size("1GiB", 1073741824));
  CAF_CHECK(is_size("2TiB", 2199023255552));
  CAF_CHECK(is_size("1KB", 1000));
  CAF_CHECK(is_size("100MB", 100000000));
  CAF_CHECK(is_size("3GB", 3000000000));
  CAF_CHECK(is_size("1TB", 1000000000000));
}

CAF_TEST(sizes that are no sizes are refused) {
  for (auto text : {"", " ", "B", "MiB", "-1", "+1", "1.5GiB", "256mb", "1 MiB",
                    " 1", "1 ", "1M", "0x10", "1MiBB", "1e3", "256mib"})
    CAF_CHECK(!parse_size(text));
}

CAF_TEST(sizes past 64 bits are refused) {
  CAF_CHECK(is_size("18446744073709551615", max_u64)); // 2^64 - 1
  CAF_CHECK(!parse_size("18446744073709551616"));
  CAF_CHECK(is_size("16777215TiB", 16777215ull << 40));
  CAF_CHECK(!parse_size("16777216TiB")); // 2^24 * 2^40 = 2^64
  CAF_CHECK(!parse_size("99999999999999999999999999999999GiB"));
}

CAF_TEST(durations need a unit unless they are zero) {
  CAF_CHECK(is_duration("0", 0ms));
  CAF_CHECK(is_duration("0s", 0ms));
  CAF_CHECK(is_duration("100ms", 100ms));
  CAF_CHECK(is_duration("5s", 5000ms));
  CAF_CHECK(is_duration("10m", 600000ms));
  CAF_CHECK(is_duration("24h", 86400000ms));
  CAF_CHECK(is_duration("7d", 604800000ms));
  for (auto text :
       {"", "5", "s", "-5s", "1.5s", "5 s", "5S", "5sec", "1h30m", "5us", "1w"})
    CAF_CHECK(!parse_duration(text));
}

CAF_TEST(durations past 63 bits of milliseconds are refused) {
  constexpr auto max = std::numeric_limits<std::int64_t>::max();
  CAF_CHECK(is_duration("9223372036854775807ms",
                        std::chrono::milliseconds{max})); // 2^63 - 1
  CAF_CHECK(!parse_duration("9223372036854775808ms"));
  CAF_CHECK(!parse_duration("18446744073709551616ms"));
  CAF_CHECK(!parse_duration("106751991168d")); // 2^63 / 86400000 + 1
  CAF_CHECK(!parse_duration("999999999999999999d"));
}

CAF_TEST(sizes are written in the unit with the smallest whole number) {
  CAF_CHECK_EQUAL(format_size(0), "0");
  CAF_CHECK_EQUAL(format_size(1), "1B");
  CAF_CHECK_EQUAL(format_size(1000), "1KB");
  CAF_CHECK_EQUAL(format_size(1024), "1KiB");
  CAF_CHECK_EQUAL(format_size(1536), "1536B");
  CAF_CHECK_EQUAL(format_size(1024000), "1000KiB");
  CAF_CHECK_EQUAL(format_size(100000000), "100MB");
  CAF_CHECK_EQUAL(format_size(268435456), "256MiB");
  CAF_CHECK_EQUAL(format_size(1ull << 30), "1GiB");
  CAF_CHECK_EQUAL(format_size(max_u64), "18446744073709551615B");
}

CAF_TEST(durations are written in the unit with the smallest whole number) {
  CAF_CHECK_EQUAL(format_duration(0ms), "0");
  CAF_CHECK_EQUAL(format_duration(100ms), "100ms");
  CAF_CHECK_EQUAL(format_duration(90s), "90s");
  CAF_CHECK_EQUAL(format_duration(60s), "1m");
  CAF_CHECK_EQUAL(format_duration(90min), "90m");
  CAF_CHECK_EQUAL(format_duration(24h), "1d");
  CAF_CHECK_EQUAL(format_duration(-5ms), "-5ms");
}

CAF_TEST(what is written is read back exactly) {
  for (std::uint64_t x = 1; x < max_u64 / 7; x = x * 7 + x % 3) {
    CAF_CHECK(is_size(format_size(x), x));
    auto ms = std::chrono::milliseconds{static_cast<std::int64_t>(x / 2)};
    CAF_CHECK(is_duration(format_duration(ms), ms));
  }
}

CAF_TEST(counts are digits and nothing else) {
  CAF_CHECK(parse_count("42") == 42);
  CAF_CHECK(parse_count("9223372036854775807").has_value()); // 2^63 - 1
  for (auto text : {"", "-1", "+1", "1.0", "1e3", " 1", "9223372036854775808"})
    CAF_CHECK(!parse_count(text));
}
