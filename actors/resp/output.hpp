/// What a client is still to be sent: text, and large values that are shared
/// instead of copied.
#pragma once

#include "actors/resp/byte_buffer.hpp"
#include "messages/blob.hpp"

#include <sys/uio.h>

#include <vector>

namespace terrace::resp {

/// A queue of bytes. Single-owner.
class output {
public:
  /// From this size on a value is shared: below it, one more piece in `sendmsg`
  /// costs more than the copy.
  static constexpr std::size_t share_limit = 16 * 1024;

  // -- properties -------------------------------------------------------------

  /// Bytes not yet taken.
  std::size_t size() const noexcept {
    return text_.size() - text_taken_ + shared_;
  }

  bool empty() const noexcept {
    return size() == 0;
  }

  // -- the producer -----------------------------------------------------------

  /// The end of the queue, to write text to.
  byte_buffer& text() noexcept {
    return text_;
  }

  void share(blob x);

  /// Moves everything of `x` to the end of this queue.
  void append(output&& x);

  // -- the consumer -----------------------------------------------------------

  /// Describes the first bytes in at most `max` pieces and returns how many
  /// pieces there are. Valid until the next call of any other function.
  std::size_t pieces(iovec* out, std::size_t max) const noexcept;

  /// Takes the first `n` bytes away.
  void take(std::size_t n) noexcept;

  void clear() noexcept;

  /// Gives all memory back.
  void release() noexcept;

  /// Memory held by the text.
  std::size_t capacity() const noexcept {
    return text_.capacity();
  }

private:
  /// `data` goes out before byte `at` of the text.
  struct splice {
    std::size_t at;
    blob data;
  };

  byte_buffer text_;
  std::size_t text_taken_ = 0;
  std::vector<splice> splices_;
  std::size_t first_splice_ = 0;
  std::size_t splice_taken_ = 0; ///< bytes taken of the first splice
  std::size_t shared_ = 0;       ///< bytes not yet taken of all splices
};

} // namespace terrace::resp
