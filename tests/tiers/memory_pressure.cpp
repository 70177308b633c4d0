#define CAF_SUITE tiers.memory_pressure

#include "tiers/memory_pressure.hpp"
#include "tests/support/temp_dir.hpp"

#include <caf/test/unit_test.hpp>

#include <fstream>
#include <random>

using namespace terrace;

namespace {

constexpr std::uint64_t mib = 1 << 20;

std::string text_of(std::uint64_t x) {
  return std::to_string(x) + "\n";
}

/// A machine of files: 64 GiB of which 32 are free, no groups, no limits, and a
/// process of 100 MiB.
struct fixture {
  test::temp_dir root;

  fixture() {
    write("proc/self/status", "Name:\tterraced\n"
                              "VmSize:\t 9000000 kB\n"
                              "VmRSS:\t  204800 kB\n"
                              "RssAnon:\t   92160 kB\n"
                              "RssFile:\t  102400 kB\n"
                              "RssShmem:\t   10240 kB\n");
    write("proc/meminfo", "MemTotal:       67108864 kB\n"
                          "MemFree:         1000000 kB\n"
                          "MemAvailable:   33554432 kB\n");
  }

  void write(const std::string& path, const std::string& text) {
    auto file = std::filesystem::path{root.path()} / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream{file, std::ios::binary} << text;
  }

  void group_2(const std::string& dir, const std::string& max,
               std::uint64_t used, std::uint64_t cache = 0) {
    auto base = "sys/fs/cgroup" + dir + "/memory.";
    write(base + "max", max + "\n");
    write(base + "high", "max\n");
    write(base + "current", text_of(used));
    write(base + "stat", "anon 5\nfile 7\ninactive_file " + text_of(cache / 2)
                           + "active_file " + text_of(cache - cache / 2));
  }

  memory_pressure read() {
    auto result = read_memory_pressure(root.path());
    CAF_REQUIRE(result.has_value());
    CAF_CHECK_EQUAL(result->resident_bytes, 100 * mib);
    return *result;
  }

  /// Limit and what is left, in MiB.
  std::pair<std::uint64_t, std::uint64_t> limit() {
    auto x = read();
    return {x.limit_bytes / mib, x.available_bytes / mib};
  }

  using two = std::pair<std::uint64_t, std::uint64_t>;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(memory_pressure_tests, fixture)

CAF_TEST(without other limits it is the memory of the machine) {
  CAF_CHECK(limit() == (two{65536, 32768}));
}

CAF_TEST(the own group limits and its page cache counts as left) {
  write("proc/self/cgroup", "0::/a/b\n");
  group_2("/a/b", std::to_string(1024 * mib), 900 * mib, 500 * mib);
  CAF_CHECK(limit() == (two{1024, 624}));
  write("sys/fs/cgroup/a/b/memory.high", text_of(800 * mib));
  CAF_CHECK(limit() == (two{800, 400}));
}

CAF_TEST(parents limit with all that is in them) {
  write("proc/self/cgroup", "0::/a/b\n");
  group_2("/a/b", std::to_string(1024 * mib), 200 * mib);
  group_2("/a", std::to_string(2048 * mib), 1900 * mib);
  CAF_CHECK(limit() == (two{2048, 148}));
  group_2("/a", "max", 1900 * mib);
  CAF_CHECK(limit() == (two{1024, 824}));
}

CAF_TEST(in a container the root stands for a path of the host) {
  group_2("", std::to_string(512 * mib), 100 * mib);
  for (auto path : {"/", "/docker/0123", "/../../elsewhere"}) {
    write("proc/self/cgroup", std::string{"0::"} + path + "\n");
    CAF_CHECK(limit() == (two{512, 412}));
  }
}

CAF_TEST(version 1 limits as well) {
  write("proc/self/cgroup", "9:name=systemd:/\n"
                            "4:cpu,memory:/x\n"
                            "0::/\n");
  auto base = std::string{"sys/fs/cgroup/memory/x/memory."};
  write(base + "limit_in_bytes", text_of(256 * mib));
  write(base + "usage_in_bytes", text_of(200 * mib));
  write(base + "stat", "inactive_file 1\ntotal_inactive_file "
                         + text_of(100 * mib) + "total_active_file 0\n");
  CAF_CHECK(limit() == (two{256, 156}));
  // What it writes for no limit.
  write(base + "limit_in_bytes", "9223372036854771712\n");
  CAF_CHECK(limit() == (two{65536, 32768}));
}

CAF_TEST(limits of resources are held against what is resident) {
  write(
    "proc/self/limits",
    "Limit                     Soft Limit           Hard Limit     Units\n"
    "Max data size             unlimited            unlimited      bytes\n"
    "Max address space         314572800            unlimited      bytes\n");
  CAF_CHECK(limit() == (two{300, 200}));
  write(
    "proc/self/limits",
    "Max data size             209715200            unlimited      bytes\n"
    "Max address space         314572800            unlimited      bytes\n");
  CAF_CHECK(limit() == (two{200, 100}));
}

CAF_TEST(the limit that is hit first counts) {
  // 1 GiB with half of it left is less in bytes, but the machine has 1 % left.
  write("proc/self/cgroup", "0::/\n");
  group_2("", std::to_string(1024 * mib), 512 * mib);
  CAF_CHECK(limit() == (two{1024, 512}));
  write("proc/meminfo", "MemTotal: 67108864 kB\nMemAvailable: 671088 kB\n");
  CAF_CHECK(limit() == (two{65536, 655}));
}

CAF_TEST(a process may be bounded more closely) {
  memory_pressure x{1000, 300, 600};
  CAF_CHECK(bounded_by(x, 2000) == x);
  CAF_CHECK(bounded_by(x, 900) == x); // others leave no more than that
  CAF_CHECK((bounded_by(x, 400) == memory_pressure{400, 300, 100}));
  CAF_CHECK((bounded_by(x, 200) == memory_pressure{200, 300, 0}));
}

CAF_TEST(what is malformed is no limit) {
  write("proc/self/cgroup", "0::/\n");
  for (auto text : {"", "\n", "max\n", "-5\n", "12x\n", "0\n", "1e9\n",
                    "99999999999999999999999\n", "1\n2\n"}) {
    group_2("", text, 100 * mib);
    CAF_CHECK(limit() == (two{65536, 32768}));
  }
  group_2("", std::to_string(512 * mib), 100 * mib);
  write("sys/fs/cgroup/memory.current", "many\n");
  CAF_CHECK(limit() == (two{65536, 32768}));
  for (auto text : {"", ":", "0:", "0:\n::\n", "memory\n", "4:memory\n"}) {
    write("proc/self/cgroup", text);
    CAF_CHECK(limit() == (two{65536, 32768}));
  }
}

CAF_TEST(a page cache larger than what is taken leaves all) {
  write("proc/self/cgroup", "0::/\n");
  group_2("", std::to_string(512 * mib), 100 * mib, 200 * mib);
  CAF_CHECK(limit() == (two{512, 512}));
}

CAF_TEST(without any limit or own figure there is no reading) {
  write("proc/meminfo", "MemTotal: 5 kB\n");
  CAF_CHECK(!read_memory_pressure(root.path()));
  write("proc/meminfo", "MemTotal: 67108864 kB\nMemAvailable: 9 kB\n");
  CAF_CHECK(read_memory_pressure(root.path()).has_value());
  write("proc/self/status", "RssAnon:\n");
  CAF_CHECK(!read_memory_pressure(root.path()));
  CAF_CHECK(!read_memory_pressure(root.path() + "/nowhere"));
}

CAF_TEST(an older kernel tells only all that is resident) {
  write("proc/self/status", "VmRSS:\t 102400 kB\n");
  CAF_CHECK(limit() == (two{65536, 32768}));
}

CAF_TEST(damaged files do no harm) {
  constexpr std::uint32_t seed = 3;
  CAF_MESSAGE("seed " << seed);
  std::mt19937 random{seed};
  const std::pair<std::string, std::string> files[]
    = {{"proc/self/status", "VmRSS:\t 204800 kB\nRssAnon:\t 92160 kB\n"},
       {"proc/self/cgroup", "4:memory:/y\n0::/x\n"},
       {"proc/self/limits", "Max address space  314572800  unlimited  bytes\n"},
       {"proc/meminfo", "MemTotal: 67108864 kB\nMemAvailable: 33554432 kB\n"},
       {"sys/fs/cgroup/memory.max", "536870912\n"},
       {"sys/fs/cgroup/memory.current", "104857600\n"},
       {"sys/fs/cgroup/memory.stat", "inactive_file 5\nactive_file 6\n"}};
  for (auto& [file, text] : files)
    write(file, text);
  std::size_t readings = 0;
  for (int i = 0; i < 300; ++i) {
    auto& [file, text] = files[random() % std::size(files)];
    auto damaged = text.substr(0, random() % (text.size() + 1));
    for (auto n = random() % 4; n > 0 && !damaged.empty(); --n)
      damaged[random() % damaged.size()] = std::string_view{"09:/. \n\t,\0\xFF",
                                                            11}[random() % 11];
    write(file, damaged);
    if (auto x = read_memory_pressure(root.path())) {
      ++readings;
      CAF_REQUIRE(x->available_bytes <= x->limit_bytes);
    }
    write(file, text);
  }
  CAF_CHECK(readings > 200);
}

CAF_TEST(this machine has a limit) {
  auto x = read_memory_pressure();
  CAF_REQUIRE(x.has_value());
  CAF_CHECK(x->limit_bytes > 0);
  CAF_CHECK(x->available_bytes <= x->limit_bytes);
  CAF_CHECK(x->resident_bytes > 0);
}

CAF_TEST(shedding starts above nine tenths and ends at 85 percent) {
  auto shed = [](std::uint64_t used, bool shedding) {
    return bytes_to_shed({1000, 800, 1000 - used}, shedding);
  };
  CAF_CHECK_EQUAL(shed(850, false), 0u);
  CAF_CHECK_EQUAL(shed(900, false), 0u);
  CAF_CHECK_EQUAL(shed(901, false), 51u);
  CAF_CHECK_EQUAL(shed(1000, false), 150u);
  CAF_CHECK_EQUAL(shed(900, true), 50u);
  CAF_CHECK_EQUAL(shed(851, true), 1u);
  CAF_CHECK_EQUAL(shed(850, true), 0u);
  CAF_CHECK_EQUAL(shed(0, true), 0u);
}

CAF_TEST(a process sheds no more than it has) {
  CAF_CHECK_EQUAL(bytes_to_shed({1000, 20, 0}, false), 20u);
  CAF_CHECK_EQUAL(bytes_to_shed({0, 20, 0}, false), 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
