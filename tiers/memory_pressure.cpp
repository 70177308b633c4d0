#include "tiers/memory_pressure.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

namespace {

namespace fs = std::filesystem;

/// Version 1 writes the largest multiple of a page for "no limit"; nobody has
/// an exbibyte.
constexpr auto unlimited = std::uint64_t{1} << 60;

/// More than any of these files has; a fake that does not end is cut there.
constexpr std::size_t longest_file = 64 << 10;

using lines = std::vector<std::string>;

/// Empty if the file cannot be read.
lines read_lines(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::string text(longest_file, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  lines result;
  std::istringstream rest{std::move(text)};
  for (std::string line; std::getline(rest, line);)
    result.push_back(std::move(line));
  return result;
}

/// The number after leading blanks. Nothing if there is none, or it does not
/// fit, or is not followed by a blank or the end.
std::optional<std::uint64_t> read_number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::uint64_t result = 0;
  auto end = text.data() + text.size();
  auto [at, err] = std::from_chars(text.data(), end, result);
  if (err != std::errc{} || (at != end && *at != ' ' && *at != '\t'))
    return std::nullopt;
  return result;
}

/// The number of a file that is one number.
std::optional<std::uint64_t> read_number_file(const fs::path& file) {
  auto text = read_lines(file);
  return text.size() == 1 ? read_number(text[0]) : std::nullopt;
}

/// The number of the first line that begins with `name` and a blank.
std::optional<std::uint64_t> find_number(const lines& text,
                                         std::string_view name) {
  for (std::string_view line : text)
    if (line.starts_with(name) && line.size() > name.size()
        && (line[name.size()] == ' ' || line[name.size()] == '\t'))
      return read_number(line.substr(name.size()));
  return std::nullopt;
}

/// Likewise, of a line in kB.
std::optional<std::uint64_t> find_kb(const lines& text, std::string_view name) {
  auto result = find_number(text, name);
  if (!result || *result > unlimited / 1024)
    return std::nullopt;
  return *result * 1024;
}

/// A limit, and what is left of it.
struct bound {
  std::uint64_t limit = 0;
  std::uint64_t available = 0;

  /// What may still be taken before a cache has to shed; may be negative.
  std::int64_t headroom() const {
    return static_cast<std::int64_t>(available)
           - static_cast<std::int64_t>(limit / 10);
  }
};

using bounds = std::vector<bound>;

void add(bounds& out, std::optional<std::uint64_t> limit,
         std::optional<std::uint64_t> used) {
  if (limit && used && *limit > 0 && *limit < unlimited)
    out.push_back({*limit, *limit - std::min(*limit, *used)});
}

// -- control groups -----------------------------------------------------------

/// The files of one version.
struct group_files {
  const char* mount;
  std::vector<const char*> limits;
  const char* usage;
  std::vector<const char*> cache; ///< lines of memory.stat
};

const group_files version_1{"sys/fs/cgroup/memory",
                            {"memory.limit_in_bytes"},
                            "memory.usage_in_bytes",
                            {"total_inactive_file", "total_active_file"}};

const group_files version_2{"sys/fs/cgroup",
                            {"memory.max", "memory.high"},
                            "memory.current",
                            {"inactive_file", "active_file"}};

/// The limits of one group. Its root has no such files, which is no limit.
void add_group(bounds& out, const group_files& names, const fs::path& dir) {
  auto used = read_number_file(dir / names.usage);
  if (!used)
    return;
  auto stat = read_lines(dir / "memory.stat");
  for (auto name : names.cache)
    *used -= std::min(*used, find_number(stat, name).value_or(0));
  for (auto name : names.limits)
    add(out, read_number_file(dir / name), used);
}

/// The limits of a group and all above it. In a container the path may be that
/// of the host, of which only the root is there to be read; so is a path that
/// leads out of the container's own part of the tree.
void add_groups(bounds& out, const group_files& names, const fs::path& root,
                std::string_view group) {
  auto dir = root / names.mount;
  add_group(out, names, dir);
  for (auto& part : fs::path{group}.relative_path()) {
    if (part == "..")
      return;
    dir /= part;
    add_group(out, names, dir);
  }
}

/// Whether `name` is in a list with commas.
bool lists(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    auto end = std::min(names.find(','), names.size());
    if (names.substr(0, end) == name)
      return true;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}

void add_all_groups(bounds& out, const fs::path& root) {
  // Lines are NUMBER:CONTROLLERS:PATH; version 2 is 0 and has no controllers.
  for (std::string_view line : read_lines(root / "proc/self/cgroup")) {
    auto first = line.find(':');
    auto second = first == std::string_view::npos ? first
                                                  : line.find(':', first + 1);
    if (second == std::string_view::npos)
      continue;
    auto number = line.substr(0, first);
    auto controllers = line.substr(first + 1, second - first - 1);
    auto path = line.substr(second + 1);
    if (number == "0" && controllers.empty())
      add_groups(out, version_2, root, path);
    else if (lists(controllers, "memory"))
      add_groups(out, version_1, root, path);
  }
}

} // namespace

// -- functions ----------------------------------------------------------------

std::optional<memory_pressure> read_memory_pressure(const fs::path& root) {
  auto status = read_lines(root / "proc/self/status");
  auto resident = find_kb(status, "RssAnon:");
  if (resident)
    *resident += find_kb(status, "RssShmem:").value_or(0);
  else if (resident = find_kb(status, "VmRSS:"); !resident)
    return std::nullopt;
  bounds found;
  add_all_groups(found, root);
  // Held against what is resident: reserved addresses do not become fewer when
  // a cache gives memory back, so it would shed all it has.
  auto limits = read_lines(root / "proc/self/limits");
  add(found, find_number(limits, "Max address space"), resident);
  add(found, find_number(limits, "Max data size"), resident);
  auto machine = read_lines(root / "proc/meminfo");
  auto total = find_kb(machine, "MemTotal:");
  auto available = find_kb(machine, "MemAvailable:");
  if (total && available)
    add(found, total, *total - std::min(*total, *available));
  if (found.empty())
    return std::nullopt;
  auto nearest = std::min_element(found.begin(), found.end(),
                                  [](auto& a, auto& b) {
                                    return a.headroom() < b.headroom();
                                  });
  return memory_pressure{nearest->limit, *resident, nearest->available};
}

memory_pressure bounded_by(const memory_pressure& x,
                           std::uint64_t max_bytes) noexcept {
  auto left = max_bytes - std::min(max_bytes, x.resident_bytes);
  if (left >= x.available_bytes)
    return x;
  return {max_bytes, x.resident_bytes, left};
}

std::uint64_t bytes_to_shed(const memory_pressure& x, bool shedding) noexcept {
  auto used = x.limit_bytes - std::min(x.limit_bytes, x.available_bytes);
  auto start = x.limit_bytes - x.limit_bytes / 10;
  auto end = x.limit_bytes - x.limit_bytes / 20 * 3;
  if (used <= (shedding ? end : start))
    return 0;
  return std::min(used - end, x.resident_bytes);
}

} // namespace terrace
