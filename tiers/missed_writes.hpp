/// What a tier could not take while it was away: the newest write or removal of
/// every key, and the purges. It serves two ends. Until a key is replayed, what
/// the tier still holds under it is stale and must be taken for a miss
/// (`hides`); and once the tier is back, the changes are replayed (`next`,
/// `replayed`).
///
/// Memory is bounded by a count and by bytes. Past a bound everything is
/// dropped and the highest version noted so far becomes the floor: every record
/// up to the floor is hidden from then on, because nobody knows any more which
/// of them are stale, and what is left to replay is a purge of all of them, for
/// the sake of others who use the tier. That costs hits, never correctness. The
/// floor stays for the life of the object; records written later have larger
/// versions and are seen.
///
/// Limit: notes are kept in memory only. A node that restarts while the tier is
/// away forgets them, and may then find records that it had replaced.
///
/// One owner, no lock, no clock.
#pragma once

#include "messages/record.hpp"
#include "messages/selector.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace terrace {

/// A purge that did not reach the tier.
struct missed_purge {
  selector what;
  version_t up_to = 0;

  friend bool operator==(const missed_purge&, const missed_purge&) = default;
};

/// A portion of changes to replay: one purge, or writes and removals.
struct missed_batch {
  std::optional<missed_purge> purge;
  entries puts;
  removals gone;

  bool empty() const noexcept {
    return !purge && puts.empty() && gone.empty();
  }

  /// True if `found`, which the tier held under `key`, is older than one of
  /// these changes. Takes time proportional to their number.
  bool hides(const std::string& key, const record& found) const;
};

class missed_writes {
public:
  // -- constants --------------------------------------------------------------

  /// Distinct purges that are remembered; every look-up is held against each.
  static constexpr std::size_t max_purges = 64;

  /// Estimate of what a note costs beside key, value and tags.
  static constexpr std::uint64_t note_overhead = 160;

  // -- constructors -----------------------------------------------------------

  missed_writes(std::size_t max_count, std::uint64_t max_bytes);

  // -- noting -----------------------------------------------------------------

  /// Notes a write. A newer note under the same key makes it pointless, and so
  /// does a noted purge that means it; what the tier holds stays hidden.
  void note(const entry& x);

  /// Notes a removal, with the same exceptions.
  void note(const removal& x);

  /// Notes a purge; writes that it covers will not be replayed.
  void note(const selector& what, version_t up_to);

  // -- superseding ------------------------------------------------------------

  /// The tier is about to take a change of `key` that replaces everything older
  /// than `limit`. An older noted write must not be replayed after it, or it
  /// would come back once the change is a deletion, or has expired; the note
  /// becomes a removal.
  void supersede(const std::string& key, version_t limit);

  /// Likewise for a purge.
  void supersede(const selector& what, version_t up_to);

  // -- hiding -----------------------------------------------------------------

  /// True if `found`, which the tier holds under `key`, is older than something
  /// the tier missed. The caller treats it as a miss.
  bool hides(const std::string& key, const record& found) const;

  /// False if `hides` is false for everything.
  bool hides_any() const noexcept {
    return floor_ != 0 || !empty();
  }

  // -- replaying --------------------------------------------------------------

  /// At most `n` changes to replay, purges first. They stay noted, and hidden,
  /// until `replayed`; a failed replay needs no further call. What was given
  /// out and has failed comes last: it does not keep others back.
  missed_batch next(std::size_t n);

  /// True if `next` would begin with something else than it gave out last,
  /// because that was a purge.
  bool other_next() const noexcept {
    return purge_tried_ && !notes_.empty();
  }

  /// The tier has taken `x`. What was noted anew meanwhile stays.
  void replayed(const missed_batch& x);

  // -- properties -------------------------------------------------------------

  bool empty() const noexcept {
    return notes_.empty() && purges_.empty();
  }

  /// Writes, removals and purges that wait to be replayed.
  std::size_t size() const noexcept {
    return notes_.size() + purges_.size();
  }

  /// Estimated memory of the notes.
  std::uint64_t bytes() const noexcept {
    return bytes_;
  }

  /// Records up to this version are hidden; zero: nothing was dropped yet.
  version_t floor() const noexcept {
    return floor_;
  }

  /// How often everything was dropped.
  std::uint64_t overflows() const noexcept {
    return overflows_;
  }

private:
  struct note_data {
    bool removed = false;
    std::uint64_t bytes = 0;
    record data; ///< version only, for a removal
  };

  void put_note(const std::string& key, note_data x);

  static note_data removal_of(const std::string& key, version_t version);

  /// The noted purge that means `x`, or null.
  const missed_purge* covering_purge(const std::string& key,
                                     const record& x) const;

  void replace_note(note_data& old, note_data x);

  void drop_note(std::unordered_map<std::string, note_data>::iterator i);

  void check_bounds();

  std::size_t max_count_;
  std::uint64_t max_bytes_;
  std::unordered_map<std::string, note_data> notes_;
  std::size_t bucket_ = 0;   /// Of `notes_`, where `next` goes on,
  std::size_t given_ = 0;    /// after so many of the bucket's.
  std::size_t purge_ = 0;    /// Of `purges_`, likewise.
  bool purge_tried_ = false; /// `next` gave a purge, which was not replayed.
  std::vector<missed_purge> purges_;
  std::uint64_t bytes_ = 0;
  version_t highest_ = 0; /// Of everything noted so far; the next floor.
  version_t floor_ = 0;
  std::uint64_t overflows_ = 0;
};

} // namespace terrace
