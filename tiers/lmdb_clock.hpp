/// Who leaves the disk: a clock whose hand goes through the keys in their
/// order.
///
/// A clock (second chance) needs to know of each entry whether it was used
/// since the hand came by. Here that is a counter of two bits in memory, found
/// by the hash of the key, so that nothing on disk changes when an entry is
/// read, and none is kept per entry: two keys may share a counter, which makes
/// one of them stay a round longer. Going through the keys in order instead of
/// in the order of arrival costs no table of its own, and takes neighbours out
/// of the same pages.
///
/// An entry that is written gets one round; one that is read gets one more, up
/// to three. After a restart every second counter is set, at random: the hand
/// finds something to take at once.
///
/// Source: F. J. Corbato, "A Paging Experiment with the Multics System", 1968.
///
/// Thread-safe: any thread may call `touch`; increments that collide may be
/// lost. The others are for whoever writes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace terrace {

class lmdb_clock {
public:
  /// Counters for about `entries` entries.
  explicit lmdb_clock(std::uint64_t entries);

  /// Tells the processor that `touch` will come.
  void prefetch(std::uint64_t hash) const noexcept;

  /// The key with this hash was read.
  void touch(std::uint64_t hash) noexcept;

  /// The key with this hash was written: it has one round at least.
  void admit(std::uint64_t hash) noexcept;

  /// Whether the key with this hash has a round left.
  bool seen(std::uint64_t hash) const noexcept;

  /// The hand comes by. True: the entry leaves.
  bool pass(std::uint64_t hash) noexcept;

  /// Makes room for more entries; what is known stays known. Readers go on
  /// meanwhile.
  void grow(std::uint64_t entries);

  /// Memory that the counters take.
  std::size_t bytes() const noexcept;

private:
  using word = std::atomic<std::uint8_t>;

  struct table {
    explicit table(unsigned bits);

    unsigned get(std::uint64_t hash) const noexcept;

    void set(std::uint64_t hash, unsigned x) noexcept;

    unsigned bits; ///< log2 of the number of counters
    std::unique_ptr<word[]> words;
    std::unique_ptr<table> smaller; ///< readers may still be at it
  };

  std::atomic<table*> now_;
  std::unique_ptr<table> owner_;
};

} // namespace terrace
