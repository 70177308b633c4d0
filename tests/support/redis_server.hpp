/// A real redis-server of a test's own, on a Unix socket in a folder of its own
/// and on a free port of the loopback interface. It dies with the object, and
/// with the test if that is aborted. One thread at a time.
#pragma once

#include "tests/support/loopback.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::test {

class redis_server {
public:
  // -- constructors -----------------------------------------------------------

  /// Starts a server with further arguments, e.g. {"--requirepass", "x"}, and
  /// waits until it accepts connections. Throws `std::runtime_error`.
  explicit redis_server(std::vector<std::string> arguments = {})
    : arguments_(std::move(arguments)) {
    char folder[] = "/tmp/terrace-redis-XXXXXX";
    if (!::mkdtemp(folder))
      throw std::runtime_error{"cannot make a folder for redis-server"};
    folder_ = folder;
    // Somebody else may take the port before the server does.
    for (int attempt = 0; pid_ <= 0; ++attempt) {
      port_ = free_port();
      try {
        start();
      } catch (const std::runtime_error&) {
        if (attempt == 4)
          throw;
      }
    }
  }

  redis_server(const redis_server&) = delete;

  redis_server& operator=(const redis_server&) = delete;

  ~redis_server() {
    kill();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  // -- life -------------------------------------------------------------------

  /// Starts it again, empty, after `kill`. Throws `std::runtime_error`.
  void start() {
    int out[2];
    if (::pipe2(out, O_CLOEXEC) != 0)
      throw std::runtime_error{"no pipe"};
    pid_ = ::fork();
    if (pid_ == 0)
      run(out[1]);
    ::close(out[1]);
    // The server says on its output when it is ready.
    std::string log;
    char buf[512];
    while (log.find("eady to accept connections") == log.npos) {
      auto n = ::read(out[0], buf, sizeof(buf));
      if (n <= 0) {
        ::close(out[0]);
        kill();
        throw std::runtime_error{"redis-server does not start: " + log};
      }
      log.append(buf, static_cast<std::size_t>(n));
    }
    ::close(out[0]);
  }

  /// Ends it at once; its data is gone.
  void kill() {
    if (pid_ <= 0)
      return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    ::unlink(socket_path().c_str());
  }

  /// Makes it stop answering while its sockets stay open. Returns when it has
  /// stopped.
  void freeze() {
    ::kill(pid_, SIGSTOP);
    ::waitpid(pid_, nullptr, WUNTRACED);
  }

  void thaw() {
    ::kill(pid_, SIGCONT);
  }

  // -- properties -------------------------------------------------------------

  /// A port that nobody uses at the moment.
  static std::uint16_t free_port() {
    auto fd = listen_on_loopback();
    auto result = port_of(fd);
    ::close(fd);
    return result;
  }

  std::string socket_path() const {
    return folder_ + "/redis.sock";
  }

  std::uint16_t port() const {
    return port_;
  }

  /// By the socket, which takes no login in a URL.
  std::string url() const {
    return "unix://" + socket_path();
  }

  /// By the port; `login` is empty or ends in "@".
  std::string tcp_url(const std::string& login = "") const {
    return "redis://" + login + "127.0.0.1:" + std::to_string(port_);
  }

  // -- commands ---------------------------------------------------------------

  /// Runs one command, past all of Terrace. Text and numbers come back as text,
  /// nil as "(nil)", an error as "-CODE ...", an array as its elements joined
  /// by spaces.
  std::string run_command(std::initializer_list<std::string_view> arguments) {
    auto fd = connect();
    std::string bytes = "*" + std::to_string(arguments.size()) + "\r\n";
    for (auto x : arguments)
      bytes.append("$" + std::to_string(x.size()) + "\r\n")
        .append(x)
        .append("\r\n");
    if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0)
      throw std::runtime_error{"cannot send to redis-server"};
    auto result = read_reply(fd);
    ::close(fd);
    return result;
  }

private:
  [[noreturn]] void run(int out) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out, STDOUT_FILENO);
    auto socket = socket_path();
    auto port = std::to_string(port_);
    std::vector<std::string> words{
      "redis-server", "--bind",       "127.0.0.1", "--port", port,
      "--unixsocket", socket,         "--save",    "",       "--dir",
      folder_,        "--appendonly", "no"};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    std::vector<char*> argv;
    for (auto& x : words)
      argv.push_back(x.data());
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }

  int connect() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    auto path = socket_path();
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    auto fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address))
        != 0) {
      ::close(fd);
      throw std::runtime_error{"cannot connect to redis-server"};
    }
    return fd;
  }

  static std::string read_bytes(int fd, std::size_t n) {
    std::string result(n, '\0');
    for (std::size_t got = 0; got < n;) {
      auto x = ::recv(fd, result.data() + got, n - got, 0);
      if (x <= 0)
        throw std::runtime_error{"redis-server closed the connection"};
      got += static_cast<std::size_t>(x);
    }
    return result;
  }

  static std::string read_reply(int fd) {
    std::string line;
    while (!line.ends_with("\r\n"))
      line += read_bytes(fd, 1);
    line.resize(line.size() - 2);
    auto rest = line.substr(1);
    switch (line[0]) {
      case '$': {
        if (rest == "-1")
          return "(nil)";
        auto text = read_bytes(fd, std::stoul(rest) + 2);
        text.resize(text.size() - 2);
        return text;
      }
      case '*': {
        std::string result;
        for (auto n = std::stol(rest); n > 0; --n)
          result.append(result.empty() ? "" : " ").append(read_reply(fd));
        return result;
      }
      case '-':
        return line;
      default:
        return rest;
    }
  }

  std::vector<std::string> arguments_;
  std::string folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

} // namespace terrace::test
