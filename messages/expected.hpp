/// A value or the reason why there is none.
#pragma once

#include "messages/errc.hpp"

#include <utility>
#include <variant>

namespace terrace {

/// Holds a `T` or a `failure`. Reading the wrong side is a programming error
/// and throws `std::bad_variant_access`.
template <class T>
class [[nodiscard]] expected {
public:
  expected(T value) : x_(std::in_place_index<0>, std::move(value)) {
    // nop
  }

  expected(failure why) : x_(std::in_place_index<1>, std::move(why)) {
    // nop
  }

  explicit operator bool() const noexcept {
    return x_.index() == 0;
  }

  T& operator*() & {
    return std::get<0>(x_);
  }

  const T& operator*() const& {
    return std::get<0>(x_);
  }

  T&& operator*() && {
    return std::get<0>(std::move(x_));
  }

  T* operator->() {
    return &std::get<0>(x_);
  }

  const T* operator->() const {
    return &std::get<0>(x_);
  }

  const failure& error() const {
    return std::get<1>(x_);
  }

private:
  std::variant<T, failure> x_;
};

/// Success without a value, or the reason for the failure.
template <>
class [[nodiscard]] expected<void> {
public:
  expected() = default;

  expected(failure why) : why_(std::move(why)) {
    // nop
  }

  explicit operator bool() const noexcept {
    return why_.code == errc::none;
  }

  const failure& error() const noexcept {
    return why_;
  }

private:
  failure why_;
};

} // namespace terrace
