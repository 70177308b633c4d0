/// The keys and values of the disk tier's benchmarks.
#pragma once

#include "messages/key.hpp"
#include "tools/bench/value_source.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::bench {

enum class disk_content {
  noise, ///< no value can be compressed
  json,  ///< records of one shape, with other names, numbers and texts
};

/// Keys of four families, 22 to 28 bytes with their tenant, whose numbers are
/// scattered: neighbours by number are not neighbours in order. A value carries
/// its key's number, so that a wrong one is noticed.
class disk_values final : public value_source {
public:
  /// `value_size` is at least 128 bytes.
  disk_values(std::size_t count, std::size_t value_size, disk_content content);

  std::size_t count() const noexcept override {
    return count_;
  }

  std::string qualified_key(std::size_t i) const override;

  blob make(std::size_t i) const override;

  bool is_value_of(std::size_t i, std::string_view x) const noexcept override;

  /// Whether size and number are right: a check that costs next to nothing.
  bool looks_right(std::size_t i, std::string_view x) const noexcept;

private:
  static constexpr std::size_t digits = 16;

  using number_text = std::array<char, digits>;

  static number_text number_of(std::size_t i) noexcept;

  std::string_view body_of(std::size_t i) const noexcept {
    return bodies_[i % bodies_.size()];
  }

  std::size_t count_;
  std::string_view head_;           ///< in front of the number
  std::vector<std::string> bodies_; ///< behind it
};

} // namespace terrace::bench
