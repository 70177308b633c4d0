/// Keeps requests away from a server that does not answer, and finds out when
/// it answers again. A plain state machine: events in, state out; the time is a
/// parameter. One owner, no lock.
///
///     closed --- failures in a row, or one timeout ---> open
///     open ----- open_for is over, a probe is sent ---> half_open
///     half_open  probe succeeded: closed; failed: open for open_for again
///
/// A single timeout opens because it is dear: whoever waits behind the next one
/// waits for a whole time limit again. A refused connection costs microseconds,
/// so a few of them are borne. Source: Nygard, "Release It!", 2007, chapter 5.
#pragma once

#include "messages/errc.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>

namespace terrace {

class circuit_breaker {
public:
  // -- types ------------------------------------------------------------------

  enum class state : std::uint8_t { closed, open, half_open };

  using time_point = std::chrono::steady_clock::time_point;

  /// Transitions since construction or `reset`.
  struct figures {
    std::uint64_t opened = 0; ///< closed to open; a failed probe is no new one
    std::uint64_t closed = 0; ///< half-open to closed
    std::uint64_t probes = 0; ///< open to half-open
  };

  // -- constructors -----------------------------------------------------------

  /// Starts closed. `failures` of zero counts as one.
  circuit_breaker(std::uint32_t failures, std::chrono::milliseconds open_for);

  // -- events -----------------------------------------------------------------

  /// An ordinary request succeeded: the row of failures is broken. Ignored
  /// unless closed; only a probe closes an open breaker.
  void success() noexcept;

  /// An ordinary request failed. Returns true if this opened the breaker.
  /// Ignored unless closed: a late failure of a request from before says
  /// nothing new.
  bool failure_seen(const failure& why, time_point now);

  /// Opens the breaker without counting a row. Returns false if it was not
  /// closed.
  bool trip(const failure& why, time_point now);

  /// True if the caller must send a probe now and report how it ended. Answers
  /// true once per probe.
  bool try_probe(time_point now) noexcept;

  void probe_succeeded() noexcept;

  void probe_failed(const failure& why, time_point now);

  void reset_figures() noexcept;

  // -- properties -------------------------------------------------------------

  state current() const noexcept {
    return state_;
  }

  bool closed() const noexcept {
    return state_ == state::closed;
  }

  /// When the next probe is due; only meaningful while open.
  time_point probe_due() const noexcept {
    return due_;
  }

  /// What opened it last or failed the last probe; no error while closed.
  const failure& reason() const noexcept {
    return reason_;
  }

  const figures& stats() const noexcept {
    return figures_;
  }

private:
  std::uint32_t limit_;                /// Failures in a row that open.
  std::chrono::milliseconds open_for_; /// From opening to the next probe.
  state state_ = state::closed;
  std::uint32_t row_ = 0; /// Failures since the last success.
  time_point due_{};
  failure reason_;
  figures figures_;
};

/// As written in a tier's status: "up", "down", "half-open".
std::string_view to_string(circuit_breaker::state x) noexcept;

} // namespace terrace
