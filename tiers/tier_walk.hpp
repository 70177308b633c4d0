/// The walk of a batch of keys down the chain of tiers, as a plain state
/// machine: the caller asks the tiers and feeds the answers in.
#pragma once

#include "messages/record.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace terrace {

/// Ends a key's walk at the first tier that has it. A tier that fails is not a
/// tier that has not: if no tier below has the key either, the result is the
/// first error, not a miss.
class tier_walk {
public:
  /// A question for one tier: the keys that no tier before it had.
  struct step {
    std::size_t tier;
    keys missing;
  };

  // -- constructors -----------------------------------------------------------

  /// Walks tiers `first` to `tiers - 1`.
  tier_walk(keys xs, std::size_t first, std::size_t tiers);

  // -- events -----------------------------------------------------------------

  /// The next question, or nothing when the walk is over. A tier for which
  /// `usable(tier, number of keys)` is false is passed over, as if it had
  /// answered `breaker_open` for each key.
  template <class Usable>
  std::optional<step> next(Usable&& usable) {
    for (; tier_ < tiers_; ++tier_) {
      if (open_.empty())
        return std::nullopt;
      if (usable(tier_, open_.size()))
        return ask();
      for (auto i : open_)
        note_error(i, errc::breaker_open);
    }
    return std::nullopt;
  }

  /// The answer to the question asked last, one look-up per key. An answer of
  /// the wrong length counts as an error for every key.
  void answer(lookups xs);

  /// The tier as a whole did not answer.
  void fail(errc code);

  // -- results, once the walk is over -----------------------------------------

  const keys& all_keys() const noexcept {
    return keys_;
  }

  /// One per key, in order.
  lookups& results() noexcept {
    return results_;
  }

  /// Position in the chain of the tier that had key `i`; meaningful for hits.
  std::size_t found_in(std::size_t i) const noexcept {
    return found_in_[i];
  }

private:
  step ask();

  void note_error(std::size_t i, errc code);

  keys keys_;
  std::size_t tier_;
  std::size_t tiers_;
  std::vector<std::size_t> open_; // positions of keys not found yet
  lookups results_;
  std::vector<std::size_t> found_in_;
};

} // namespace terrace
