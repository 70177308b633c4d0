/// Keeps the process alive when a page of a mapped file cannot be read: the
/// file was truncated by somebody, or the device failed. The system raises
/// SIGBUS then. Where it happened, a page of zeros is put in place, which no
/// tree of LMDB can contain, and the guard remembers it.
///
/// LMDB trusts what stands in a page: one with wrong contents sends it to
/// addresses where nothing is (SIGSEGV). `lmdb_guarded` calls it in such a way
/// that the call is left then.
///
/// The handlers are installed with the first guard and stay. Faults elsewhere
/// go to whoever had the signal before. Thread-safe; at most 64 guards at once,
/// further ones guard nothing.
///
/// Source: sigaction(2), mmap(2), sigsetjmp(3).
#pragma once

#include <atomic>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <string>

namespace terrace {

// -- calls --------------------------------------------------------------------

/// What `lmdb_guarded` returns for a call that could not be finished; not a
/// code of LMDB or of the system.
inline constexpr int lmdb_crashed = -1;

/// A call of LMDB under way in this thread.
struct lmdb_call {
  lmdb_call() noexcept;

  lmdb_call(const lmdb_call&) = delete;

  lmdb_call& operator=(const lmdb_call&) = delete;

  ~lmdb_call();

  sigjmp_buf back; ///< to where it began
};

/// Leaves the call that this thread is in; returns if it is in none. `why` is
/// what `lmdb_crash` says afterwards.
void lmdb_leave_call(const char* why) noexcept;

/// Why this thread left its last call.
const char* lmdb_crash() noexcept;

/// Returns what `f` returns, or `lmdb_crashed` if it met a fault. `f` calls
/// LMDB and nothing else: no destructor of what it made is run then. What LMDB
/// was changing is then of no use, and must not be given back to it. Costs some
/// nanoseconds.
template <class F>
int lmdb_guarded(F f) {
  lmdb_call call;
  if (sigsetjmp(call.back, 0) != 0)
    return lmdb_crashed;
  return f();
}

// -- maps ---------------------------------------------------------------------

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

  /// Where the map begins; zero if nothing is guarded.
  std::uintptr_t begin() const noexcept {
    return begin_;
  }

  /// Bytes of the map; zero if nothing is guarded.
  std::size_t size() const noexcept {
    return size_;
  }

private:
  std::uintptr_t begin_ = 0;
  std::size_t size_ = 0;
  int slot_ = -1; ///< in the table that the handler reads
};

} // namespace terrace
