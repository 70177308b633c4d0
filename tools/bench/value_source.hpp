/// What the benchmarks of a tier store in it.
#pragma once

#include "messages/blob.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace terrace::bench {

/// Numbered keys with values that can be made again. Thread-safe.
class value_source {
public:
  virtual ~value_source() = default;

  /// Different keys.
  virtual std::size_t count() const noexcept = 0;

  /// As tiers know it.
  virtual std::string qualified_key(std::size_t i) const = 0;

  virtual blob make(std::size_t i) const = 0;

  virtual bool is_value_of(std::size_t i,
                           std::string_view x) const noexcept = 0;
};

} // namespace terrace::bench
