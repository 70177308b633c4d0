/// Ready-made keys in one array.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace terrace::bench {

/// What keys look like.
struct key_kind {
  bool integer = false;    ///< eight bytes, the most significant first
  std::size_t length = 20; ///< otherwise: text of this many bytes

  /// Of "int" or "string16" to "string250"; nothing if it is anything else.
  static std::optional<key_kind> parse(std::string_view text);

  /// What `parse` reads.
  std::string str() const;

  /// Bytes of a key.
  std::size_t size() const noexcept {
    return integer ? sizeof(std::uint64_t) : length;
  }
};

/// Keys of one length, side by side: whoever measures does not make them.
/// Immutable, so that any number of threads may read. The first two bytes,
/// which are the tenant to Terrace, are the same in all keys.
class key_set {
public:
  /// Makes `n` different keys, at most 100 million.
  key_set(std::size_t n, key_kind kind);

  std::string_view operator[](std::size_t i) const noexcept {
    return {bytes_.data() + i * key_size_, key_size_};
  }

  void prefetch(std::size_t i) const noexcept {
    __builtin_prefetch(bytes_.data() + i * key_size_);
  }

  std::size_t size() const noexcept {
    return bytes_.size() / key_size_;
  }

  std::size_t key_size() const noexcept {
    return key_size_;
  }

private:
  std::size_t key_size_;
  std::string bytes_;
};

} // namespace terrace::bench
