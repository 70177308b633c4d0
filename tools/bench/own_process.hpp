/// This program, run again beside itself.
#pragma once

#include "messages/expected.hpp"

#include <cstdio>
#include <string>
#include <vector>

#include <sys/types.h>

namespace terrace::bench {

/// Its standard output comes back through a pipe, its standard error stays.
/// Killed when the object goes, or this process.
class own_process {
public:
  /// Starts it with these words after the program's name. Fails with
  /// `io_failure`.
  static expected<own_process> start(const std::vector<std::string>& words);

  own_process(own_process&& x) noexcept;

  own_process& operator=(own_process&&) = delete;

  ~own_process();

  /// The next line it writes, without its end. Fails with `io_failure` when
  /// there is none any more.
  expected<std::string> line();

  /// Kills it and waits for its end.
  void kill() noexcept;

private:
  own_process(pid_t pid, std::FILE* out) : pid_(pid), out_(out) {
    // nop
  }

  pid_t pid_ = -1;
  std::FILE* out_ = nullptr;
};

} // namespace terrace::bench
