#include "tiers/lmdb_guard.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <system_error>

namespace terrace {

namespace {

constexpr std::uintptr_t page_size = 4096;

/// What the handler may read at any time.
struct region {
  std::atomic<std::uintptr_t> begin{0}; ///< 0: the slot is free
  std::atomic<std::uintptr_t> end{0};
  std::atomic<int> protection{0};
  std::atomic<bool> hit{false};
};

std::array<region, 64> regions;
std::mutex mutex; ///< of those who take and give back slots
struct sigaction bus_before;
struct sigaction segment_before;

/// The call of this thread, and why it left the last one.
constinit thread_local lmdb_call* current = nullptr;
constinit thread_local char crash[160] = {};

region* region_of(std::uintptr_t at) noexcept {
  for (auto& x : regions) {
    auto begin = x.begin.load(std::memory_order_acquire);
    if (begin != 0 && at >= begin && at < x.end.load(std::memory_order_relaxed))
      return &x;
  }
  return nullptr;
}

/// Somebody else's fault: the same access again is handled by them, or ends the
/// process.
void pass_on(const struct sigaction& to, int number, siginfo_t* info,
             void* context) {
  if ((to.sa_flags & SA_SIGINFO) != 0 && to.sa_sigaction)
    return to.sa_sigaction(number, info, context);
  if (to.sa_handler != SIG_DFL && to.sa_handler != SIG_IGN)
    return to.sa_handler(number);
  ::signal(number, SIG_DFL);
}

void on_bus_error(int number, siginfo_t* info, void* context) {
  auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
  auto* x = region_of(at);
  if (x) {
    x->hit.store(true, std::memory_order_release);
    lmdb_leave_call("a page could not be read");
    auto page = at & ~(page_size - 1);
    auto* got = ::mmap(reinterpret_cast<void*>(page), page_size,
                       x->protection.load(std::memory_order_relaxed),
                       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (got != MAP_FAILED)
      return;
  }
  lmdb_leave_call("damaged page: it leads nowhere");
  pass_on(bus_before, number, info, context);
}

void on_segment_violation(int number, siginfo_t* info, void* context) {
  lmdb_leave_call("damaged page: it leads nowhere");
  pass_on(segment_before, number, info, context);
}

/// A handler that is left by a jump has to leave the signal open: SA_NODEFER.
void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction x {};
    x.sa_flags = SA_SIGINFO | SA_NODEFER;
    ::sigemptyset(&x.sa_mask);
    x.sa_sigaction = on_bus_error;
    ::sigaction(SIGBUS, &x, &bus_before);
    x.sa_sigaction = on_segment_violation;
    ::sigaction(SIGSEGV, &x, &segment_before);
  });
}

} // namespace

// -- calls --------------------------------------------------------------------

lmdb_call::lmdb_call() noexcept {
  current = this;
}

lmdb_call::~lmdb_call() {
  current = nullptr;
}

void lmdb_leave_call(const char* why) noexcept {
  auto* call = current;
  if (!call)
    return;
  std::strncpy(crash, why, sizeof(crash) - 1);
  siglongjmp(call->back, 1);
}

const char* lmdb_crash() noexcept {
  return crash;
}

// -- maps ---------------------------------------------------------------------

lmdb_guard::lmdb_guard(const std::string& path) {
  install();
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0)
    return;
  std::error_code ignored;
  auto name = std::filesystem::canonical(path, ignored).string();
  // LMDB does not tell where its map is.
  std::ifstream maps{"/proc/self/maps"};
  int protection = PROT_READ;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    unsigned long offset = 0;
    unsigned major = 0;
    unsigned minor = 0;
    unsigned long inode = 0;
    char mode[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %lx %x:%x %lu", &begin, &end,
                    mode, &offset, &major, &minor, &inode)
        != 7)
      continue;
    // Some file systems show another device here; then the name has to do.
    if (!line.ends_with(' ' + name)
        && (inode != file.st_ino || makedev(major, minor) != file.st_dev))
      continue;
    if (size_ == 0 && offset == 0) {
      begin_ = begin;
      size_ = end - begin;
      if (mode[1] == 'w')
        protection |= PROT_WRITE;
    } else if (size_ != 0 && begin == begin_ + size_) {
      size_ += end - begin;
    }
  }
  if (size_ == 0)
    return;
  std::lock_guard lock{mutex};
  for (std::size_t i = 0; i < regions.size(); ++i) {
    auto& x = regions[i];
    if (x.begin.load(std::memory_order_relaxed) != 0)
      continue;
    x.hit = false;
    x.protection = protection;
    x.end = begin_ + size_;
    x.begin.store(begin_, std::memory_order_release);
    slot_ = static_cast<int>(i);
    return;
  }
}

lmdb_guard::~lmdb_guard() {
  if (slot_ >= 0)
    regions[static_cast<std::size_t>(slot_)].begin.store(
      0, std::memory_order_release);
}

bool lmdb_guard::hit() const noexcept {
  return slot_ >= 0
         && regions[static_cast<std::size_t>(slot_)].hit.load(
           std::memory_order_acquire);
}

} // namespace terrace
