#include "tools/bench/paced_load.hpp"

#include <poll.h>

#include <algorithm>

namespace terrace::bench {

namespace {

using clock_type = std::chrono::steady_clock;

/// Requests sent at once over one connection: those that are late.
constexpr std::size_t most_at_once = 64;

/// A connection and the requests that it has open.
struct line {
  net_connection to;
  std::vector<std::uint64_t> due_ns;
};

class driver {
public:
  driver(const paced_options& opts, const std::function<std::string()>& next)
    : opts_(opts), next_(next), start_(clock_type::now()) {
    // nop
  }

  expected<void> open() {
    for (std::size_t i = 0; i < opts_.connections; ++i) {
      auto x = net_connection::open({"127.0.0.1", opts_.port});
      if (!x)
        return x.error();
      lines_.push_back({*std::move(x), {}});
    }
    fds_.resize(lines_.size());
    start_ = clock_type::now();
    return {};
  }

  expected<void> run() {
    auto all = static_cast<std::uint64_t>(
      opts_.rate * std::chrono::duration<double>(opts_.length).count());
    while (sent_ < all || open_ > 0) {
      auto due = std::min(all,
                          static_cast<std::uint64_t>(
                            opts_.rate * static_cast<double>(now_ns()) / 1e9));
      for (auto& x : lines_)
        if (x.due_ns.empty() && sent_ < due)
          if (auto ok = send(x, due); !ok)
            return ok;
      if (auto ok = receive(); !ok)
        return ok;
    }
    return {};
  }

  paced_outcome take() {
    return std::move(result_);
  }

private:
  std::uint64_t now_ns() const {
    return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(clock_type::now() - start_).count());
  }

  expected<void> send(line& x, std::uint64_t due) {
    // Those that are late are shared between the connections.
    auto n = std::clamp<std::uint64_t>((due - sent_) / lines_.size(), 1,
                                       most_at_once);
    for (; n > 0; --n) {
      x.to.add_get(next_());
      x.due_ns.push_back(static_cast<std::uint64_t>(static_cast<double>(sent_++)
                                                    / opts_.rate * 1e9));
      ++open_;
    }
    return x.to.start();
  }

  expected<void> receive() {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      fds_[i].fd = lines_[i].due_ns.empty() ? -1 : lines_[i].to.fd();
      fds_[i].events = static_cast<short>(
        lines_[i].to.sending() ? POLLIN | POLLOUT : POLLIN);
      fds_[i].revents = 0;
    }
    // The next request is due before a millisecond is over.
    timespec pause{0, 50'000};
    ::ppoll(fds_.data(), fds_.size(), &pause, nullptr);
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (fds_[i].fd < 0 || fds_[i].revents == 0)
        continue;
      auto& x = lines_[i];
      auto readable = (fds_[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
      if (auto ok = x.to.go_on(readable, result_.answers); !ok)
        return ok;
      if (x.to.open_answers() > 0)
        continue;
      auto now = now_ns();
      for (auto due : x.due_ns)
        result_.requests.push_back({due, now - std::min(due, now)});
      open_ -= x.due_ns.size();
      x.due_ns.clear();
    }
    return {};
  }

  const paced_options& opts_;
  const std::function<std::string()>& next_;
  clock_type::time_point start_;
  std::vector<line> lines_;
  std::vector<pollfd> fds_;
  std::uint64_t sent_ = 0;
  std::uint64_t open_ = 0;
  paced_outcome result_;
};

} // namespace

expected<paced_outcome> run_paced(const paced_options& opts,
                                  const std::function<std::string()>& next) {
  driver x{opts, next};
  auto ok = x.open();
  if (ok)
    ok = x.run();
  if (!ok)
    return ok.error();
  return x.take();
}

} // namespace terrace::bench
