#include "tools/bench/own_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace terrace::bench {

expected<own_process>
own_process::start(const std::vector<std::string>& words) {
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0)
    return failure{errc::io_failure, "no pipe"};
  std::string program = "/proc/self/exe";
  std::vector<char*> argv{program.data()};
  for (auto& x : words)
    argv.push_back(const_cast<char*>(x.c_str()));
  argv.push_back(nullptr);
  auto pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out[1], STDOUT_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(out[1]);
  auto* in = pid > 0 ? ::fdopen(out[0], "r") : nullptr;
  if (in)
    return own_process{pid, in};
  ::close(out[0]);
  return failure{errc::io_failure, "this program cannot be started again"};
}

own_process::own_process(own_process&& x) noexcept
  : pid_(std::exchange(x.pid_, -1)), out_(std::exchange(x.out_, nullptr)) {
  // nop
}

own_process::~own_process() {
  kill();
  if (out_)
    std::fclose(out_);
}

expected<std::string> own_process::line() {
  std::string result;
  for (int c = std::fgetc(out_); c != EOF; c = std::fgetc(out_)) {
    if (c == '\n')
      return result;
    result += static_cast<char>(c);
  }
  return failure{errc::io_failure, "the other process ended early"};
}

void own_process::kill() noexcept {
  if (pid_ <= 0)
    return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

} // namespace terrace::bench
