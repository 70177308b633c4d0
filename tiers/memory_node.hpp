/// One entry of L1: metadata, key and small value in one allocation, so that a
/// hit touches as few cache lines as possible.
#pragma once

#include "messages/record.hpp"

#include <atomic>
#include <cstdint>
#include <string_view>

namespace terrace {

/// Immutable for readers, except for the access counter. The links and the
/// queue belong to the eviction policy of the one writer. The node is itself
/// the block that owns its value: a blob taken from it keeps the node's memory
/// alive after the table has dropped it.
class memory_node final : public block {
public:
  /// Values up to this size are stored inside the node; larger ones are shared
  /// with the blob they came in.
  static constexpr std::size_t inline_value_limit = 4096;

  /// Saturation of the access counter: two bits tell what S3-FIFO needs.
  static constexpr std::uint8_t max_frequency = 3;

  // -- constructors -----------------------------------------------------------

  /// Throws `std::bad_alloc`. `until_ms`: end of its stay in L1, 0 = unbounded.
  static memory_node* make(std::string_view key, std::uint64_t hash,
                           const record& x, std::int64_t until_ms);

  // -- readers ----------------------------------------------------------------

  std::uint64_t hash() const noexcept {
    return hash_;
  }

  std::string_view key() const noexcept {
    return {reinterpret_cast<const char*>(this + 1), key_size_};
  }

  std::string_view bytes() const noexcept {
    return {value_, value_size_};
  }

  blob value() const noexcept {
    return value_size_ == 0 ? blob{} : blob::share(*owner_, bytes());
  }

  version_t version() const noexcept {
    return version_;
  }

  std::int64_t expires_ms() const noexcept {
    return expires_ms_;
  }

  /// False once the record has expired or its stay in L1 is over.
  bool live(std::int64_t now_ms) const noexcept {
    return until_ms_ == 0 || now_ms < until_ms_;
  }

  const std::vector<std::string>& tags() const noexcept;

  record data() const {
    return {value(), version_, expires_ms_, tags(), compress_};
  }

  /// Counts an access. A lost update between threads is harmless.
  void touch() const noexcept {
    auto n = frequency_.load(std::memory_order_relaxed);
    if (n < max_frequency)
      frequency_.store(static_cast<std::uint8_t>(n + 1),
                       std::memory_order_relaxed);
  }

  // -- the writer -------------------------------------------------------------

  /// Bytes this entry costs: allocation, allocator's header, external value.
  std::size_t footprint() const noexcept;

  std::uint8_t frequency() const noexcept {
    return frequency_.load(std::memory_order_relaxed);
  }

  void frequency(std::uint8_t x) noexcept {
    frequency_.store(x, std::memory_order_relaxed);
  }

  memory_node* prev = nullptr;
  memory_node* next = nullptr;
  std::uint8_t queue = 0; ///< meaning is the policy's

private:
  memory_node() noexcept : block(&release) {
    // nop
  }

  static void release(block* x) noexcept;

  mutable std::atomic<std::uint8_t> frequency_{0};
  bool compress_ = true;
  std::uint32_t key_size_ = 0;
  std::uint32_t value_size_ = 0;
  std::uint64_t hash_ = 0;
  std::int64_t until_ms_ = 0;
  const char* value_ = nullptr;
  const block* owner_ = nullptr;
  version_t version_ = 0;
  std::int64_t expires_ms_ = 0;
  const std::vector<std::string>* tags_ = nullptr;
};

} // namespace terrace
