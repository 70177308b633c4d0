/// Keeps the process alive when a page of a mapped file cannot be read: the
/// file was truncated by somebody, or the device failed. The system raises
/// SIGBUS then. Where it happened, a page of zeros is put in place, which no
/// tree of LMDB can contain, and the guard remembers it.
///
/// The handler is installed with the first guard and stays. Faults elsewhere go
/// to whoever had the signal before. Thread-safe; at most 64 guards at once,
/// further ones guard nothing.
///
/// Source: sigaction(2), mmap(2).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace terrace {

class lmdb_guard {
public:
  /// Guards what the process has mapped of the file at `path`; nothing if it is
  /// not mapped.
  explicit lmdb_guard(const std::string& path);

  lmdb_guard(const lmdb_guard&) = delete;

  lmdb_guard& operator=(const lmdb_guard&) = delete;

  ~lmdb_guard();

  /// Whether a page could not be read.
  bool hit() const noexcept;

  /// Whether all of `n` bytes at `at` are in the map. True if nothing is
  /// guarded.
  bool contains(const void* at, std::size_t n) const noexcept {
    auto from = reinterpret_cast<std::uintptr_t>(at);
    return size_ == 0
           || (from >= begin_ && from - begin_ <= size_
               && n <= size_ - (from - begin_));
  }

private:
  std::uintptr_t begin_ = 0;
  std::size_t size_ = 0;
  int slot_ = -1; ///< in the table that the handler reads
};

} // namespace terrace
