/// What the connections of one Redis tier count together.
#pragma once

#include "messages/errc.hpp"
#include "messages/status.hpp"
#include "tiers/redis_protocol.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

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

  /// A key was found at another server than thought, for good.
  void moved() noexcept {
    add(moved_);
  }

  /// The same for as long as its slot is on the move.
  void asked() noexcept {
    add(asks_);
  }

  /// Servers were asked which of them serves what.
  void refreshed() noexcept {
    add(refreshes_);
  }

  void failed(errc code) noexcept {
    add(errors_[static_cast<std::size_t>(code)]);
  }

  /// The server answered a pipeline with an error reply, the first of which is
  /// `text`.
  void complained(std::string_view text) noexcept {
    add(complaints_[redis_error_kind(text)]);
  }

  /// Adds connects, reconnects, retries, timeouts, and, where they are not
  /// zero, moved, asks, refreshes, `error_<name>` for every kind of error, and
  /// `reply_<name>` for pipelines that got an error reply, by its kind,
  /// whatever was made of it.
  void fill(counter_map& out) const {
    out["connects"] = connects_;
    out["reconnects"] = reconnects_;
    out["retries"] = retries_;
    out["timeouts"] = errors_[static_cast<std::size_t>(errc::timeout)];
    for (auto& [name, n] :
         {std::pair<const char*, const counter&>{"moved", moved_},
          {"asks", asks_},
          {"refreshes", refreshes_}})
      if (n > 0)
        out[name] = n;
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
    moved_ = asks_ = refreshes_ = 0;
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
  counter moved_{0};      ///< commands sent again after MOVED
  counter asks_{0};       ///< commands sent again after ASK
  counter refreshes_{0};  ///< questions for the topology
  std::array<counter, errc_count> errors_{};
  std::array<counter, redis_error_kinds> complaints_{}; ///< error replies
};

} // namespace terrace
