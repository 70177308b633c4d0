/// A growing run of bytes for sockets: unlike `std::vector` it neither fills
/// new room with zeros nor keeps a large block once it has been emptied.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <utility>

namespace terrace::resp {

/// Single-owner. Growing throws `std::bad_alloc` and changes nothing then.
class byte_buffer {
public:
  /// Blocks up to this size are kept by `clear`.
  static constexpr std::size_t keep_limit = 64 * 1024;

  // -- constructors -----------------------------------------------------------

  byte_buffer() noexcept = default;

  byte_buffer(byte_buffer&& x) noexcept
    : data_(std::exchange(x.data_, nullptr)),
      begin_(std::exchange(x.begin_, 0)),
      end_(std::exchange(x.end_, 0)),
      capacity_(std::exchange(x.capacity_, 0)) {
    // nop
  }

  byte_buffer& operator=(byte_buffer&& x) noexcept {
    std::swap(data_, x.data_);
    std::swap(begin_, x.begin_);
    std::swap(end_, x.end_);
    std::swap(capacity_, x.capacity_);
    return *this;
  }

  ~byte_buffer() {
    std::free(data_);
  }

  // -- properties -------------------------------------------------------------

  char* data() noexcept {
    return data_ + begin_;
  }

  std::size_t size() const noexcept {
    return end_ - begin_;
  }

  std::size_t capacity() const noexcept {
    return capacity_;
  }

  bool empty() const noexcept {
    return begin_ == end_;
  }

  std::string_view view() const noexcept {
    return {data_ + begin_, size()};
  }

  std::span<char> span() noexcept {
    return {data_ + begin_, size()};
  }

  // -- modifiers --------------------------------------------------------------

  /// Room for `n` more bytes; write them there, then `commit` their end.
  char* room(std::size_t n) {
    if (capacity_ - end_ < n) [[unlikely]]
      reserve(std::max(end_ + n, capacity_ * 2));
    return data_ + end_;
  }

  void commit(const char* end) noexcept {
    end_ = static_cast<std::size_t>(end - data_);
  }

  void append(std::string_view bytes) {
    if (bytes.empty())
      return;
    auto* out = room(bytes.size());
    std::memcpy(out, bytes.data(), bytes.size());
    end_ += bytes.size();
  }

  void reserve(std::size_t n) {
    if (n <= capacity_)
      return;
    n = std::max<std::size_t>(n, 512);
    auto* mem = static_cast<char*>(std::realloc(data_, n));
    if (!mem)
      throw std::bad_alloc{};
    data_ = mem;
    capacity_ = n;
  }

  /// Drops the first `n` bytes. Moves the rest when it is not more than what
  /// was dropped, so that a long queue taken in small steps costs no more than
  /// its length.
  void erase_front(std::size_t n) noexcept {
    begin_ += n;
    if (begin_ == end_) {
      clear();
      return;
    }
    if (begin_ < size())
      return;
    std::memmove(data_, data_ + begin_, size());
    end_ -= begin_;
    begin_ = 0;
    // A large request that is done with must not keep its block.
    if (capacity_ > keep_limit && end_ < capacity_ / 4)
      shrink();
  }

  void clear() noexcept {
    begin_ = 0;
    end_ = 0;
    if (capacity_ > keep_limit)
      release();
  }

  /// Gives the block back.
  void release() noexcept {
    std::free(std::exchange(data_, nullptr));
    begin_ = 0;
    end_ = 0;
    capacity_ = 0;
  }

private:
  void shrink() noexcept {
    auto n = std::max<std::size_t>(end_ * 2, 512);
    if (auto* mem = static_cast<char*>(std::realloc(data_, n))) {
      data_ = mem;
      capacity_ = n;
    }
  }

  char* data_ = nullptr;
  std::size_t begin_ = 0; ///< where the first byte lies
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

} // namespace terrace::resp
