/// What the connections of one Redis tier count together.
#pragma once

#include "messages/errc.hpp"
#include "messages/status.hpp"
#include "tiers/redis_protocol.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace terrace {

/// Shared by all connections of a tier; every member may be used from any
/// thread.
class redis_figures {
public:
  void connected(bool again) noexcept {
    add(connects_);
    if (again)
      add(reconnects_);
  }

  void retried() noexcept {
    add(retries_);
  }

  void failed(errc code) noexcept {
    add(errors_[static_cast<std::size_t>(code)]);
  }

  /// The server answered a pipeline with an error reply, the first of which is
  /// `text`.
  void complained(std::string_view text) noexcept {
    add(complaints_[redis_error_kind(text)]);
  }

  /// Adds connects, reconnects, retries, timeouts, `error_<name>` for every
  /// kind of error that has happened, and `reply_<name>` for pipelines that
  /// got an error reply, by its kind, whatever was made of it.
  void fill(counter_map& out) const {
    out["connects"] = connects_;
    out["reconnects"] = reconnects_;
    out["retries"] = retries_;
    out["timeouts"] = errors_[static_cast<std::size_t>(errc::timeout)];
    for (std::size_t i = 0; i < errors_.size(); ++i)
      if (auto n = errors_[i].load(std::memory_order_relaxed); n > 0) {
        std::string name{"error_"};
        out[name += to_string(static_cast<errc>(i))] = n;
      }
    for (std::size_t i = 0; i < complaints_.size(); ++i)
      if (auto n = complaints_[i].load(std::memory_order_relaxed); n > 0) {
        std::string name{"reply_"};
        out[name += redis_error_name(i)] = n;
      }
  }

  void reset() noexcept {
    connects_ = reconnects_ = retries_ = 0;
    for (auto& x : errors_)
      x = 0;
    for (auto& x : complaints_)
      x = 0;
  }

private:
  using counter = std::atomic<std::uint64_t>;

  static void add(counter& x) noexcept {
    x.fetch_add(1, std::memory_order_relaxed);
  }

  counter connects_{0};   ///< connections established
  counter reconnects_{0}; ///< of these, in place of one that was lost
  counter retries_{0};    ///< batches sent again on a new connection
  std::array<counter, errc_count> errors_{};
  std::array<counter, redis_error_kinds> complaints_{}; ///< error replies
};

} // namespace terrace
