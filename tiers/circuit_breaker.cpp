#include "tiers/circuit_breaker.hpp"

namespace terrace {

circuit_breaker::circuit_breaker(std::uint32_t failures,
                                 std::chrono::milliseconds open_for)
  : limit_(failures > 0 ? failures : 1), open_for_(open_for) {
  // nop
}

void circuit_breaker::success() noexcept {
  if (closed())
    row_ = 0;
}

bool circuit_breaker::failure_seen(const failure& why, time_point now) {
  if (!closed())
    return false;
  ++row_;
  return (why.code == errc::timeout || row_ >= limit_) && trip(why, now);
}

bool circuit_breaker::trip(const failure& why, time_point now) {
  if (!closed())
    return false;
  state_ = state::open;
  due_ = now + open_for_;
  reason_ = why;
  ++figures_.opened;
  return true;
}

bool circuit_breaker::try_probe(time_point now) noexcept {
  if (state_ != state::open || now < due_)
    return false;
  state_ = state::half_open;
  ++figures_.probes;
  return true;
}

void circuit_breaker::probe_succeeded() noexcept {
  if (state_ != state::half_open)
    return;
  state_ = state::closed;
  row_ = 0;
  reason_ = {};
  ++figures_.closed;
}

void circuit_breaker::probe_failed(const failure& why, time_point now) {
  if (state_ != state::half_open)
    return;
  state_ = state::open;
  due_ = now + open_for_;
  reason_ = why;
}

void circuit_breaker::reset_figures() noexcept {
  figures_ = {};
}

std::string_view to_string(circuit_breaker::state x) noexcept {
  switch (x) {
    case circuit_breaker::state::closed:
      return "up";
    case circuit_breaker::state::open:
      return "down";
    default:
      return "half-open";
  }
}

} // namespace terrace
