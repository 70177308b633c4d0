#include "tools/bench/redis_process.hpp"

#include "tools/bench/free_port.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <utility>

namespace terrace::bench {

expected<redis_process> redis_process::start() {
  auto folder = temp_folder::make();
  if (!folder)
    return folder.error();
  redis_process result{*std::move(folder)};
  // Somebody else may take the port before the server does.
  expected<void> launched;
  for (int attempt = 0; attempt < 5; ++attempt) {
    result.port_ = free_port();
    launched = result.launch();
    if (launched)
      return result;
  }
  return launched.error();
}

redis_process::redis_process(redis_process&& x) noexcept
  : folder_(std::move(x.folder_)),
    port_(x.port_),
    pid_(std::exchange(x.pid_, -1)) {
  // nop
}

redis_process::~redis_process() {
  end();
}

expected<void> redis_process::launch() {
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0)
    return failure{errc::io_failure, "no pipe"};
  auto port = std::to_string(port_);
  auto socket = socket_path();
  auto folder = folder_.path().string();
  std::array<const char*, 15> words{
    "redis-server", "--bind",       "127.0.0.1", "--port", port.c_str(),
    "--unixsocket", socket.c_str(), "--save",    "",       "--dir",
    folder.c_str(), "--appendonly", "no",        nullptr};
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out[1], STDOUT_FILENO);
    ::execvp(words[0], const_cast<char* const*>(words.data()));
    ::_exit(127);
  }
  ::close(out[1]);
  // The server says on its output when it is ready.
  std::string log;
  char buf[512];
  auto n = ::read(out[0], buf, sizeof(buf));
  for (; n > 0; n = ::read(out[0], buf, sizeof(buf))) {
    log.append(buf, static_cast<std::size_t>(n));
    if (log.find("eady to accept connections") != log.npos)
      break;
  }
  ::close(out[0]);
  if (n > 0)
    return {};
  end();
  return failure{errc::unavailable, "redis-server does not start"
                                      + (log.empty() ? "" : ": " + log)};
}

void redis_process::end() noexcept {
  if (pid_ <= 0)
    return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

} // namespace terrace::bench
