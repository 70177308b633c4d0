/// Replies that wait: for a coordinator, or for an earlier reply of the same
/// connection.
#pragma once

#include "actors/resp/reply.hpp"
#include "messages/mutation.hpp"

#include <memory>
#include <vector>

namespace terrace::resp {

/// What a command makes of the results it waits for.
enum class shape : std::uint8_t {
  text,        ///< finished bytes
  value,       ///< look-up: the value or null
  values,      ///< look-ups: an array of values and nulls
  exists,      ///< look-ups: how many keys exist
  size,        ///< look-up: length of the value
  type,        ///< look-up: "string" or "none"
  ttl_s,       ///< look-up: seconds left, -1 without expiry, -2 if absent
  ttl_ms,      ///< the same in milliseconds
  deadline_s,  ///< the same as Unix time in seconds
  deadline_ms, ///< the same as Unix time in milliseconds
  ok,          ///< changes: OK
  ok_or_null,  ///< change: OK if it was applied, otherwise null
  old_value,   ///< change: the value as it was before, or null
  applied,     ///< changes: how many were applied
};

/// True if the node did not look at all, which the client has to be told. Any
/// other error of a look-up means that no tier has the key and one could not be
/// asked: to a client that is a miss, because it knows where else to get the
/// value; the tier's counters and INFO tell the rest.
bool is_refusal(errc x) noexcept;

/// The number that a look-up means to a command of shape `exists`, `size`, or
/// one of the times. `expires_ms` and `size` are read only if the key was
/// found.
std::int64_t number_of(shape what, bool found, std::size_t size,
                       std::int64_t expires_ms, std::int64_t now_ms) noexcept;

/// Writes what a command of shape `value` or `type`, or one with a number,
/// answers to a look-up that has ended without an error.
void write_lookup(reply_writer out, shape what, bool found, const blob& value,
                  std::int64_t number);

/// One reply to come. Filled result by result, then rendered once.
class slot {
public:
  // -- constructors -----------------------------------------------------------

  /// A command that waits for `results` results. A muted one leaves no reply.
  slot(shape what, std::uint32_t results, bool muted);

  /// Finished replies of one or more commands.
  slot();

  // -- properties -------------------------------------------------------------

  bool ready() const noexcept {
    return left_ == 0;
  }

  bool is_text() const noexcept {
    return what_ == shape::text;
  }

  /// It answers what was there before a change.
  bool is_old_value() const noexcept {
    return what_ == shape::old_value;
  }

  output& text() noexcept {
    return *text_;
  }

  /// Bytes that the results so far keep in memory.
  std::size_t bytes() const noexcept {
    return text_ ? text_->size() : bytes_;
  }

  // -- results ----------------------------------------------------------------

  /// A key that was found when the command began.
  void put(std::uint32_t index, blob x);

  void put(std::uint32_t index, lookup& x, std::int64_t now_ms);

  void put(mutation_result& x);

  /// The request that was to bring a result has failed.
  void fail(errc why) noexcept;

  /// Moves the reply to the end of `out`.
  void render(output& out, bool resp3);

private:
  struct part {
    bool found = false;
    blob value;
  };

  void keep(part& where, blob x);

  shape what_;
  bool muted_ = false;
  errc code_ = errc::none;
  std::uint32_t left_;
  std::int64_t number_ = 0;
  std::size_t bytes_ = 0;
  part one_;
  std::vector<part> many_;
  std::unique_ptr<output> text_;
};

/// The text of an error reply, e.g. "ERR The tier ...".
std::string error_text(const failure& why);

} // namespace terrace::resp
