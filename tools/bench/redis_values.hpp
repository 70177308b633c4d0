/// The keys and values of `terrace-bench redis`.
#pragma once

#include "messages/key.hpp"
#include "tools/bench/value_source.hpp"

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::bench {

/// A value is the number of its key and then noise, so that a wrong one is
/// noticed and none can be compressed. Thread-safe.
class redis_values final : public value_source {
public:
  redis_values(std::size_t count, std::size_t value_size)
    : count_(count),
      value_size_(value_size),
      noise_(noise_places + value_size) {
    std::mt19937_64 random{1};
    for (auto& x : noise_)
      x = static_cast<char>(random());
  }

  std::size_t count() const noexcept override {
    return count_;
  }

  /// As a user writes it.
  static std::string key(std::size_t i) {
    return "key:" + std::to_string(i);
  }

  std::string qualified_key(std::size_t i) const override {
    return qualify(0, key(i));
  }

  blob make(std::size_t i) const override {
    return blob::build(value_size_, [&](char* out) {
      auto n = std::min(sizeof(i), value_size_);
      std::memcpy(out, &i, n);
      std::memcpy(out + n, noise_of(i), value_size_ - n);
    });
  }

  bool is_value_of(std::size_t i, std::string_view x) const noexcept override {
    auto n = std::min(sizeof(i), value_size_);
    return x.size() == value_size_ && std::memcmp(x.data(), &i, n) == 0
           && std::memcmp(x.data() + n, noise_of(i), value_size_ - n) == 0;
  }

private:
  static constexpr std::size_t noise_places = 1 << 16;

  const char* noise_of(std::size_t i) const noexcept {
    return noise_.data() + i * 2654435761u % noise_places;
  }

  std::size_t count_;
  std::size_t value_size_;
  std::vector<char> noise_;
};

} // namespace terrace::bench
