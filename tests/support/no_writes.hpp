// A device that takes nothing.
#pragma once

#include <csignal>
#include <sys/resource.h>

namespace terrace::test {

/// While it lives, files of this process cannot be written.
class no_writes {
public:
  no_writes() : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    auto none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_FSIZE, &none);
  }

  no_writes(const no_writes&) = delete;

  ~no_writes() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

private:
  rlimit before_{};
  sighandler_t handler_;
};

} // namespace terrace::test
