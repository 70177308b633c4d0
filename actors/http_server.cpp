#include "actors/http_server.hpp"

#include "actors/http_processor.hpp"
#include "actors/report_format.hpp"
#include "actors/tcp_connection.hpp"
#include "actors/tcp_listener.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

namespace terrace {

// -- engine -------------------------------------------------------------------

class http_server::engine {
public:
  engine(tcp_listener listener, const http_limits& limits,
         std::vector<http_route> routes)
    : listener_(std::move(listener)),
      limits_(limits),
      processor_(limits, std::move(routes), figures),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    workers_.reserve(limits.threads);
    for (std::size_t i = 0; i < limits.threads; ++i)
      workers_.emplace_back([this] { work(); });
    watcher_ = std::thread{[this] { watch(); }};
  }

  ~engine() {
    stop();
    ::close(wake_fd_);
  }

  void stop() {
    {
      std::lock_guard lock{mutex_};
      if (std::exchange(stopping_, true))
        return;
      // Input ends here; what is being answered is answered.
      for (auto* x : served_)
        x->end_input();
    }
    wake_watcher();
    work_.notify_all();
    watcher_.join();
    for (auto& x : workers_)
      x.join();
    ready_.clear();
    back_.clear();
  }

  std::uint16_t port() const noexcept {
    return listener_.port();
  }

  http_figures figures;

private:
  // -- silent connections -----------------------------------------------------

  void wake_watcher() {
    std::uint64_t one = 1;
    (void)!::write(wake_fd_, &one, sizeof(one));
  }

  /// Accepts connections, hands them on when a request begins, and ends those
  /// that stay silent.
  void watch() {
    std::vector<tcp_connection_ptr> idle;
    std::vector<pollfd> fds;
    auto exhausted = false;
    for (;;) {
      fds.assign(
        {{wake_fd_, POLLIN, 0}, {exhausted ? -1 : listener_.fd(), POLLIN, 0}});
      for (auto& x : idle)
        fds.push_back({x->fd(), POLLIN, 0});
      ::poll(fds.data(), fds.size(), exhausted ? 20 : timeout_of(idle));
      auto now = tcp_connection::clock::now();
      for (std::size_t i = 0; i < idle.size(); ++i)
        if (fds[i + 2].revents != 0)
          hand_on(std::move(idle[i]));
        else if (idle[i]->idle_until <= now)
          drop(std::move(idle[i]));
      std::erase(idle, nullptr);
      if (fds[0].revents != 0 && !take_back(idle))
        return;
      if (exhausted || fds[1].revents != 0)
        exhausted = !accept(idle);
    }
  }

  /// Milliseconds until the first of `xs` has been silent for too long.
  static int timeout_of(const std::vector<tcp_connection_ptr>& xs) {
    if (xs.empty())
      return -1;
    auto first = tcp_connection::clock::time_point::max();
    for (auto& x : xs)
      first = std::min(first, x->idle_until);
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      first - tcp_connection::clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
  }

  /// Returns false if descriptors have run out.
  bool accept(std::vector<tcp_connection_ptr>& idle) {
    auto exhausted = false;
    for (;;) {
      auto fd = listener_.accept(exhausted);
      if (fd < 0)
        return !exhausted;
      auto x = std::make_unique<tcp_connection>(fd);
      if (open_ < limits_.max_connections) {
        ++open_;
        ++figures.connections;
        x->idle_until = tcp_connection::clock::now() + limits_.idle_time;
        idle.push_back(std::move(x));
      } else {
        refuse(*x);
      }
    }
  }

  void refuse(const tcp_connection& x) {
    ++figures.refused_connections;
    auto body = error_json("overloaded",
                           "There are " + std::to_string(open_.load())
                             + " connections, which is the limit.");
    auto text = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                "Content-Type: application/json\r\nContent-Length: "
                + std::to_string(body.size()) + "\r\n\r\n" + body;
    // A fresh socket takes this much at once.
    (void)!::send(x.fd(), text.data(), text.size(),
                  MSG_DONTWAIT | MSG_NOSIGNAL);
    ::shutdown(x.fd(), SHUT_WR);
  }

  void hand_on(tcp_connection_ptr x) {
    std::lock_guard lock{mutex_};
    ready_.push_back(std::move(x));
    work_.notify_one();
  }

  void drop(tcp_connection_ptr x) {
    x.reset();
    --open_;
  }

  /// Takes connections that wait for their next request. False at the end.
  bool take_back(std::vector<tcp_connection_ptr>& idle) {
    std::uint64_t count;
    (void)!::read(wake_fd_, &count, sizeof(count));
    std::lock_guard lock{mutex_};
    for (auto& x : back_)
      idle.push_back(std::move(x));
    back_.clear();
    return !stopping_;
  }

  // -- connections with a request ---------------------------------------------

  void work() {
    for (;;) {
      std::unique_lock lock{mutex_};
      work_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
      if (stopping_)
        return;
      auto x = std::move(ready_.front());
      ready_.pop_front();
      served_.insert(x.get());
      lock.unlock();
      auto alive = serve(*x);
      if (!alive)
        x->linger();
      lock.lock();
      served_.erase(x.get());
      if (alive)
        back_.push_back(std::move(x));
      lock.unlock();
      if (alive)
        wake_watcher();
      else
        drop(std::move(x));
    }
  }

  /// Handles what has arrived. Returns whether the connection stays open.
  bool serve(tcp_connection& x) {
    do {
      if (!processor_.handle(x))
        return false;
    } while (x.has_input());
    x.idle_until = tcp_connection::clock::now() + limits_.idle_time;
    return true;
  }

  tcp_listener listener_;
  http_limits limits_;
  http_processor processor_;
  int wake_fd_;                      ///< wakes the watcher
  std::atomic<std::size_t> open_{0}; ///< connections, silent and served
  std::mutex mutex_;                 ///< guards what follows
  std::condition_variable work_;
  bool stopping_ = false;
  std::deque<tcp_connection_ptr> ready_; ///< a request has begun to arrive
  std::vector<tcp_connection_ptr> back_; ///< silent again, for the watcher
  std::set<tcp_connection*> served_;     ///< those that workers have
  std::thread watcher_;
  std::vector<std::thread> workers_;
};

// -- http_server --------------------------------------------------------------

expected<std::unique_ptr<http_server>>
http_server::start(const std::string& bind, std::uint16_t port,
                   const http_limits& limits, std::vector<http_route> routes) {
  auto listener = tcp_listener::open(bind, port);
  if (!listener)
    return listener.error();
  return std::unique_ptr<http_server>{new http_server{
    std::make_unique<engine>(*std::move(listener), limits, std::move(routes))}};
}

http_server::http_server(std::unique_ptr<engine> x) : engine_(std::move(x)) {
  // nop
}

http_server::~http_server() = default;

std::uint16_t http_server::port() const noexcept {
  return engine_->port();
}

http_figures& http_server::figures() noexcept {
  return engine_->figures;
}

void http_server::stop() {
  engine_->stop();
}

void http_figures::reset() noexcept {
  connections = refused_connections = requests = 0;
  client_errors = server_errors = 0;
  latency.reset();
}

http_response http_error(int status, std::string_view code,
                         std::string_view message) {
  return {status, error_json(code, message)};
}

} // namespace terrace
