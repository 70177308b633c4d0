#include "tools/bench/node_process.hpp"

#include "tools/bench/free_port.hpp"
#include "tools/bench/net_connection.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

namespace terrace::bench {

namespace {

constexpr std::chrono::seconds patience{60};

} // namespace

expected<node_process> node_process::start(const std::string& program,
                                           const std::string& folder,
                                           std::vector<std::string> settings) {
  node_process result;
  result.resp_port_ = free_port();
  result.http_port_ = free_port();
  settings.push_back("log.level=warning");
  std::vector<std::string> words{program,
                                 "--data-dir",
                                 folder,
                                 "--resp-port",
                                 std::to_string(result.resp_port_),
                                 "--http-port",
                                 std::to_string(result.http_port_)};
  for (auto& x : settings) {
    words.push_back("--set");
    words.push_back(std::move(x));
  }
  std::vector<char*> argv;
  for (auto& x : words)
    argv.push_back(x.data());
  argv.push_back(nullptr);
  result.pid_ = ::fork();
  if (result.pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  auto end = std::chrono::steady_clock::now() + patience;
  endpoint at{"127.0.0.1", result.resp_port_};
  while (!net_connection::open(at)) {
    if (::waitpid(result.pid_, nullptr, WNOHANG) != 0) {
      result.pid_ = -1;
      return failure{errc::unavailable, program + " does not start"};
    }
    if (std::chrono::steady_clock::now() > end)
      return failure{errc::unavailable, program + " does not answer"};
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return result;
}

std::string node_process::beside() {
  std::error_code ignored; // then the program is looked for here
  auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return (self.parent_path() / "terraced").string();
}

node_process::node_process(node_process&& x) noexcept
  : resp_port_(x.resp_port_),
    http_port_(x.http_port_),
    pid_(std::exchange(x.pid_, -1)) {
  // nop
}

node_process::~node_process() {
  if (pid_ <= 0)
    return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

expected<void> node_process::stop() {
  auto pid = std::exchange(pid_, -1);
  int status = 0;
  if (::kill(pid, SIGTERM) != 0 || ::waitpid(pid, &status, 0) != pid
      || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return failure{errc::io_failure, "the node did not end well"};
  return {};
}

} // namespace terrace::bench
