/// How near this process is to the memory it may have.
///
/// Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst and
/// cgroup-v1/memory.rst, proc(5), getrlimit(2). No actor, no clock; a reading
/// opens about ten small files, so once a second is often enough.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace terrace {

/// A reading. The limit is the one that will be hit first of: those of the
/// process's control group and its parents (memory.max and memory.high, or
/// memory.limit_in_bytes), RLIMIT_AS and RLIMIT_DATA (as far as resident memory
/// tells, since addresses may be reserved without being used), and the
/// machine's memory.
struct memory_pressure {
  /// What may be taken, by all who share the limit.
  std::uint64_t limit_bytes = 0;

  /// What this process takes and the kernel cannot drop: without mapped files,
  /// unless the kernel is older than 4.5.
  std::uint64_t resident_bytes = 0;

  /// What is left below the limit. Page cache counts as left, as the kernel
  /// gives that back before it kills.
  std::uint64_t available_bytes = 0;

  friend bool operator==(const memory_pressure&, const memory_pressure&)
    = default;
};

/// Reads the files below `root`, "/" but in tests. What is missing or malformed
/// is no limit; nothing if no limit can be told, or not what the process takes.
/// Never throws for what is in the files.
std::optional<memory_pressure>
read_memory_pressure(const std::filesystem::path& root = "/");

/// The same for a process that is to take at most `max_bytes` itself, if that
/// is hit first.
memory_pressure bounded_by(const memory_pressure& x,
                           std::uint64_t max_bytes) noexcept;

/// Bytes that a cache should give back. It starts when 90 % of the limit are
/// taken and ends when 85 % are: `shedding` tells whether the answer to the
/// last reading was not 0. Never more than the process itself has.
std::uint64_t bytes_to_shed(const memory_pressure& x, bool shedding) noexcept;

} // namespace terrace
