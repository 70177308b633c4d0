#include "tools/bench/progress.hpp"

#include "tools/common/text_table.hpp"

#include <unistd.h>

#include <chrono>
#include <iostream>

namespace terrace::bench {

namespace {

constexpr std::uint64_t width = 40;

} // namespace

progress::progress(std::string what, std::uint64_t total, bool quiet)
  : what_(std::move(what)),
    total_(total),
    terminal_(::isatty(STDERR_FILENO) == 1) {
  if (!quiet && total > 0)
    thread_ = std::thread{[this] { run(); }};
}

progress::~progress() {
  if (!thread_.joinable())
    return;
  {
    std::lock_guard lock{mutex_};
    ended_ = true;
  }
  ending_.notify_one();
  thread_.join();
}

void progress::run() {
  auto interval = terminal_ ? std::chrono::milliseconds(200)
                            : std::chrono::milliseconds(10'000);
  std::unique_lock lock{mutex_};
  while (!ending_.wait_for(lock, interval, [this] { return ended_; }))
    show(false);
  if (terminal_)
    show(true);
}

void progress::show(bool last) const {
  auto done = std::min(done_.load(std::memory_order_relaxed), total_);
  auto percent = std::to_string(done * 100 / total_) + " %";
  auto line = what_ + ' ' + count_text(done) + " of " + count_text(total_)
              + ", " + percent;
  if (!terminal_) {
    std::cerr << line << '\n';
    return;
  }
  auto full = done * width / total_;
  std::cerr << "\r[" << std::string(full, '#') << std::string(width - full, '.')
            << "] " << line << "\x1b[K" << (last ? "\n" : "") << std::flush;
}

} // namespace terrace::bench
