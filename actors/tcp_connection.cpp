#include "actors/tcp_connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace terrace {

namespace {

using std::chrono::milliseconds;

/// Waits until `fd` is ready for `events` or broken; false past the deadline.
bool wait_for(int fd, short events,
              tcp_connection::clock::time_point deadline) {
  for (;;) {
    auto left = std::chrono::ceil<milliseconds>(deadline
                                                - tcp_connection::clock::now());
    pollfd x{fd, events, 0};
    auto n = ::poll(&x, 1, static_cast<int>(std::max<long>(left.count(), 0)));
    if (n > 0)
      return true;
    if (n == 0 || errno != EINTR)
      return false;
  }
}

bool would_block() noexcept {
  return errno == EAGAIN || errno == EWOULDBLOCK;
}

} // namespace

tcp_connection::~tcp_connection() {
  ::close(fd_);
}

void tcp_connection::start_request(clock::time_point deadline,
                                   std::size_t bytes,
                                   milliseconds response_time) noexcept {
  deadline_ = deadline;
  budget_ = bytes;
  response_time_ = response_time;
  responding_ = false;
  ++requests;
}

bool tcp_connection::await_input() const {
  return has_input() || wait_for(fd_, POLLIN, deadline_);
}

std::ptrdiff_t tcp_connection::read(char* out, std::size_t size) {
  if (budget_ == 0 || (!has_input() && !fill()))
    return -1;
  auto n = std::min({size, end_ - begin_, budget_});
  std::memcpy(out, buffer_.data() + begin_, n);
  begin_ += n;
  budget_ -= n;
  return static_cast<std::ptrdiff_t>(n);
}

std::ptrdiff_t tcp_connection::write(const char* bytes, std::size_t size) {
  if (!responding_) {
    responding_ = true;
    deadline_ = clock::now() + response_time_;
  }
  for (;;) {
    auto n = ::send(fd_, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
      return n;
    if (n < 0 && errno == EINTR)
      continue;
    if (n == 0 || !would_block() || !wait_for(fd_, POLLOUT, deadline_))
      return -1;
  }
}

bool tcp_connection::fill() {
  for (;;) {
    // Also asked for bytes that are here already: trickling them must not help.
    if (clock::now() >= deadline_)
      return false;
    auto n = ::recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n > 0) {
      begin_ = 0;
      end_ = static_cast<std::size_t>(n);
      return true;
    }
    if (n == 0)
      return false;
    if (errno != EINTR && (!would_block() || !wait_for(fd_, POLLIN, deadline_)))
      return false;
  }
}

void tcp_connection::linger() const {
  constexpr std::size_t most = 256 << 10;
  ::shutdown(fd_, SHUT_WR);
  auto deadline = clock::now() + milliseconds(500);
  std::array<char, 4096> sink;
  for (std::size_t total = 0; total < most;) {
    if (!wait_for(fd_, POLLIN, deadline))
      return;
    auto n = ::recv(fd_, sink.data(), sink.size(), MSG_DONTWAIT);
    if (n <= 0)
      return;
    total += static_cast<std::size_t>(n);
  }
}

void tcp_connection::end_input() const noexcept {
  ::shutdown(fd_, SHUT_RD);
}

} // namespace terrace
