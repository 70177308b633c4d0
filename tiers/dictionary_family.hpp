/// Which values are alike, told by their keys: those of one family are taken
/// to have the same form, and share a dictionary.
///
/// The family of a key is its tenant and its form. The user's part is cut at
/// `:`, `/`, `.` and `|`; of the first four pieces, those that look like the
/// name of one thing become `*`, and what follows them is left out. A piece is
/// such a name if it is empty, longer than 24 bytes, or has a digit in it or
/// any other byte than letters, `-` and `_`; only a version, `v` and one or two
/// digits, is not. So `user:123:profile` of tenant 0 is of `0:user:*:profile`,
/// and `api/v2/items/7f3a` of `0:api/v2/items/*`.
///
/// Names without a digit (`user:alice`) make families of their own, of which
/// there may be many: whoever counts families must have a bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace terrace {

/// Cheap to make: no allocation. An ordinary value.
class dictionary_family {
public:
  /// Of a qualified key; of any other, that of all that have none.
  explicit dictionary_family(std::string_view key) noexcept;

  /// What the families that are not told apart have in common.
  static dictionary_family rest() noexcept {
    return dictionary_family{{}};
  }

  /// "0:user:*:profile"; "*" for the rest.
  std::string_view name() const noexcept {
    return {text_, size_};
  }

  /// XXH3-64 of the name.
  std::uint64_t hash() const noexcept {
    return hash_;
  }

  /// That of a name which was written by another node, or earlier.
  static std::uint64_t hash_of(std::string_view name) noexcept;

private:
  static constexpr std::size_t most_pieces = 4;
  static constexpr std::size_t longest_piece = 24;

  void append(std::string_view x) noexcept;

  /// The tenant, the pieces, and a character before each.
  char text_[5 + most_pieces * (longest_piece + 1)];
  std::uint8_t size_ = 0;
  std::uint64_t hash_ = 0;
};

} // namespace terrace
