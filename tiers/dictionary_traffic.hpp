/// What dictionaries are trained on, and how well they do: per family
/// (tiers/dictionary_family.hpp), samples of the values that are written, and
/// the ratio that the dictionary in use reaches.
///
/// A family goes through these states:
///
///     gathering  every fourth value is kept as a sample, none twice
///     training   there were enough, and somebody has taken them away
///     settled    it has a dictionary. Of every `window` values compressed
///                with it the ratio is taken. When it is worse than at first by
///                a fifth, the values have changed: it gathers again
///     resting    dictionaries do not pay. It gathers again after a while,
///                which doubles every time
///
/// At most `most_families` are told apart: those with the most values lately,
/// found by Space-Saving. All others are one more, the rest.
///
/// Source: Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and
/// top-k elements in data streams", ICDT 2005. Of the values whose family is
/// not known only one in sixteen makes it known, so that a key space without
/// families costs little.
#pragma once

#include "tiers/dictionary.hpp"
#include "tiers/dictionary_family.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace terrace {

/// One thread at a time.
class dictionary_traffic {
public:
  // -- types ------------------------------------------------------------------

  static constexpr std::size_t most_families = 64;

  /// Values compressed with a dictionary between two looks at its ratio.
  static constexpr std::uint64_t window = 4096;

  /// Larger values are neither samples nor compressed with a dictionary: they
  /// repeat within themselves what a dictionary would tell.
  static constexpr std::size_t largest_value = 16 << 10;

  /// Values that a family rests at first, and at most.
  static constexpr std::uint64_t first_rest = 1 << 14;
  static constexpr std::uint64_t longest_rest = 1 << 24;

  /// What a training needs.
  struct lesson {
    std::string family;
    dictionary_samples samples;
    dictionary_ptr current; ///< in use so far; null: none
  };

  /// What came of it.
  struct outcome {
    dictionary_ptr best; ///< to be used from now on; null: none pays
    double ratio = 0;    ///< bytes after / before, on values not trained on
  };

  struct figures {
    std::uint64_t samples = 0;      ///< taken since construction
    std::uint64_t drifts = 0;       ///< times that a ratio had become worse
    std::uint64_t sample_bytes = 0; ///< held now
    std::uint64_t families = 0;     ///< told apart now
  };

  // -- constructors -----------------------------------------------------------

  /// A family is trained when it has `bytes_per_family` of samples, or, when
  /// all have a quarter of what all may have, if it has the most.
  explicit dictionary_traffic(std::size_t bytes_per_family);

  // -- traffic ----------------------------------------------------------------

  /// A value was written. `id`: of the dictionary with which it was compressed
  /// to `size` bytes, 0 if it was not.
  void seen(const dictionary_family& of, std::string_view value,
            std::uint32_t id, std::size_t size);

  // -- training ---------------------------------------------------------------

  /// Takes the samples of a family that is due; nothing if none is.
  std::optional<lesson> begin_lesson();

  /// Ends it. True if the dictionary in use has changed.
  bool end_lesson(const std::string& family, const outcome& x);

  // -- dictionaries -----------------------------------------------------------

  /// Puts a dictionary into use that was trained earlier or elsewhere, if its
  /// family has none. True if it is in use now.
  bool use(const dictionary_ptr& x);

  /// Those in use, one per family at most.
  std::vector<dictionary_ptr> in_use() const;

  figures stats() const noexcept;

private:
  enum class state : std::uint8_t { gathering, training, settled, resting };

  struct family {
    std::string name;
    state now = state::gathering;
    std::uint64_t weight = 0; ///< values lately
    std::uint64_t turn = 0;   ///< values while gathering
    dictionary_samples samples;
    std::unordered_set<std::uint64_t> known; ///< hashes of the samples
    dictionary_ptr current;
    double ratio = 0;          ///< of `current` at first; 0: not known yet
    std::uint64_t records = 0; ///< of this window, likewise
    std::uint64_t raw_bytes = 0;
    std::uint64_t compressed_bytes = 0;
    std::uint64_t rest = first_rest; ///< how long it rests next time
    std::uint64_t left = 0;          ///< to rest
  };

  family& find(const dictionary_family& of);

  family& insert(std::uint64_t hash, std::string_view name);

  void forget_least();

  void age();

  void gather(family& x, std::string_view value);

  void watch(family& x, std::size_t before, std::size_t after);

  void gather_again(family& x);

  std::size_t bytes_per_family_;
  std::unordered_map<std::uint64_t, std::unique_ptr<family>> families_;
  family rest_;
  std::uint64_t seen_ = 0;
  std::uint64_t unknown_ = 0; ///< values whose family was not
  std::uint64_t samples_ = 0;
  std::uint64_t drifts_ = 0;
  std::size_t sample_bytes_ = 0;
};

} // namespace terrace
