/// One entry of L1: metadata, key and small value in one piece of memory, so
/// that a hit touches as few cache lines as possible.
#pragma once

#include "messages/record.hpp"
#include "tiers/memory_arena.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace terrace {

/// Fills what a block leaves free of its eight bytes.
struct memory_node_head : block {
  memory_node_head() noexcept : block(origin::node) {
    // nop
  }

  /// Written by the writer even while readers look: one of them says whether
  /// the table has the node.
  std::atomic<std::uint8_t> flags{0};
  std::uint16_t key_size = 0; ///< in the node; 0 if it is long
};

static_assert(sizeof(memory_node_head) == 8);

/// Immutable for readers, except for the access counter. What the policy and
/// the timer keep belongs to the one writer. The node is itself the block that
/// owns its value: a blob taken from it keeps the node's memory alive after the
/// table has dropped it.
///
/// 32 bytes, then whatever of the following the entry has, then key and value:
///
///     the end of its stay in L1, and its timer
///     its expiry, if its stay ends sooner
///     pointer to its tags
///     the block that owns a large value, and where the value is
///     pointer to a long key
class memory_node final : public memory_node_head, public policy_item {
public:
  // -- constructors -----------------------------------------------------------

  /// Null when the arena is used up; throws `std::bad_alloc` when memory for
  /// tags or a long key is. `until_ms`: end of its stay in L1, 0 = unbounded. A
  /// value that does not fit into an object of the arena is shared with the
  /// blob it came in.
  static memory_node* make(memory_arena& arena, std::string_view key,
                           const record& x, std::int64_t until_ms);

  /// A copy in other memory of the same arena, which takes the place of this
  /// node; null when there is none.
  memory_node* move(memory_arena& arena);

  // -- readers ----------------------------------------------------------------

  std::string_view key() const noexcept {
    if (!has(long_key)) [[likely]]
      return {body(), key_size};
    return *load<const std::string*>(long_key);
  }

  std::string_view bytes() const noexcept {
    if (!has(outside)) [[likely]]
      return {body() + key_size, value_size_};
    return {load<const char*>(outside, 8), value_size_};
  }

  blob value() const noexcept {
    if (value_size_ == 0)
      return {};
    if (!has(outside)) [[likely]]
      return blob::share(*this, bytes());
    return blob::share(*load<const block*>(outside), bytes());
  }

  version_t version() const noexcept {
    return version_;
  }

  std::int64_t expires_ms() const noexcept {
    return has(shorter_stay) ? load<std::int64_t>(shorter_stay) : until_ms();
  }

  /// End of its stay in L1; 0: unbounded.
  std::int64_t until_ms() const noexcept {
    return has(timed) ? load<std::int64_t>(timed) : 0;
  }

  /// False once the record has expired or its stay in L1 is over.
  bool live(std::int64_t now_ms) const noexcept {
    return !has(timed) || now_ms < load<std::int64_t>(timed);
  }

  const std::vector<std::string>& tags() const noexcept;

  record data() const {
    return {value(), version_, expires_ms(), tags(), !has(plain)};
  }

  // -- the writer -------------------------------------------------------------

  /// Bytes this entry takes in the arena and, a large value or tags, outside.
  std::size_t footprint() const noexcept {
    return memory_arena::class_size(object_size()) + outside_bytes();
  }

  /// Bytes asked of the arena.
  std::size_t object_size() const noexcept {
    return sizeof(memory_node) + size_of(has_flags()) + key_size
           + (has(outside) ? 0 : value_size_);
  }

  /// Bytes outside the arena.
  std::size_t outside_bytes() const noexcept {
    if ((has_flags() & (outside | tagged | long_key)) == 0) [[likely]]
      return 0;
    return sum_outside();
  }

  bool linked() const noexcept {
    return has(in_table);
  }

  void linked(bool x) noexcept {
    auto now = has_flags();
    flags.store(static_cast<std::uint8_t>(x ? now | in_table : now & ~in_table),
                std::memory_order_relaxed);
  }

  /// Of its expiry, see timer_wheel; 0: none.
  std::uint32_t timer() const noexcept {
    return has(timed) ? load<std::uint32_t>(timed, 8) : 0;
  }

  /// Only for an entry whose stay ends.
  void timer(std::uint32_t x) noexcept {
    save(timed, x, 8);
  }

  /// Frees the node if nobody else has a reference. Only for the writer.
  void dispose(memory_arena& arena) noexcept;

private:
  /// In the order of the parts behind the header: 12, 8, 8, 16 and 8 bytes.
  enum flag : std::uint8_t {
    timed = 1,
    shorter_stay = 2,
    tagged = 4,
    outside = 8,
    long_key = 16,
    // without a part
    plain = 32, // not to be compressed
    in_table = 64,
  };

  static constexpr std::uint8_t parts = timed | shorter_stay | tagged | outside
                                        | long_key;

  memory_node() = default;

  /// Bytes of parts.
  static constexpr std::size_t size_of(std::uint8_t xs) noexcept {
    constexpr auto sizes = [] {
      std::array<std::uint8_t, parts + 1> result{};
      for (unsigned i = 0; i <= parts; ++i)
        result[i] = static_cast<std::uint8_t>(std::popcount(i) * 8
                                              + ((i & outside) != 0 ? 8 : 0)
                                              + ((i & timed) != 0 ? 4 : 0));
      return result;
    }();
    return sizes[xs & parts];
  }

  std::uint8_t has_flags() const noexcept {
    return flags.load(std::memory_order_relaxed);
  }

  bool has(flag x) const noexcept {
    return (has_flags() & x) != 0;
  }

  const char* body() const noexcept {
    auto* result = reinterpret_cast<const char*>(this + 1);
    auto now = has_flags();
    if ((now & parts) == 0) [[likely]]
      return result;
    return result + size_of(now);
  }

  /// Where a part is, or the second half of one. Not aligned.
  const char* at(flag x, std::size_t offset) const noexcept {
    auto before = size_of(static_cast<std::uint8_t>(has_flags() & (x - 1)));
    return reinterpret_cast<const char*>(this + 1) + before + offset;
  }

  template <class T>
  T load(flag x, std::size_t offset = 0) const noexcept {
    T result;
    std::memcpy(&result, at(x, offset), sizeof(T));
    return result;
  }

  template <class T>
  void save(flag x, T value, std::size_t offset = 0) noexcept {
    std::memcpy(const_cast<char*>(at(x, offset)), &value, sizeof(T));
  }

  static void release(block* x) noexcept;

  void drop_outside() noexcept;

  std::size_t sum_outside() const noexcept;

  std::uint32_t value_size_ = 0;
  version_t version_ = 0;
};

static_assert(sizeof(memory_node) == 32);

} // namespace terrace
