/// The dictionaries of a node: those that records need to be read, and, of each
/// family of keys, the one that new records should be written with. One set per
/// node; the codecs of all its tiers share it, and one thread trains.
///
/// Where dictionaries come from: the trainer makes them of what the codecs have
/// seen, and the tiers bring those that they find beside their records. A tier
/// may write records with a dictionary only when it has kept that where its
/// records are (`codec::wanted`, `codec::adopt`).
///
/// A dictionary stays as long as somebody holds it: the set for its own use, a
/// codec, a tier that has records that need it. Of others the latest
/// `most_unheld` stay; a tier can bring them again.
#pragma once

#include "config/options.hpp"
#include "tiers/dictionary.hpp"
#include "tiers/dictionary_traffic.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace terrace {

/// Safe to use from several threads at once.
class dictionary_set {
public:
  // -- types ------------------------------------------------------------------

  static constexpr std::size_t most_unheld = 128;

  struct figures {
    std::uint64_t dictionaries = 0;     ///< known now
    std::uint64_t dictionary_bytes = 0; ///< theirs
    std::uint64_t in_use = 0;           ///< of these, for new records
    std::uint64_t trainings = 0;        ///< that brought a dictionary
    std::uint64_t rejected = 0; ///< trainings without gain over what there was
    dictionary_traffic::figures traffic;
  };

  explicit dictionary_set(const compression_options& opts);

  // -- dictionaries -----------------------------------------------------------

  /// Null if it is not known.
  dictionary_ptr find(std::uint32_t id) const;

  /// Takes what a tier found beside its records, the form of
  /// `dictionary::stored`, whoever wrote it. It is used for new records too if
  /// its family has none. Fails like `dictionary::load`, and with `in_use` if
  /// another dictionary has its number.
  expected<dictionary_ptr> add(std::string_view stored);

  /// Those for new records, one per family at most.
  std::vector<dictionary_ptr> in_use() const;

  /// Grows whenever `in_use` changes; never 0.
  std::uint64_t version() const noexcept {
    return version_.load(std::memory_order_acquire);
  }

  // -- training ---------------------------------------------------------------

  /// For codecs: a value was written, see `dictionary_traffic::seen`.
  void seen(const dictionary_family& of, std::string_view value,
            std::uint32_t id, std::size_t size) noexcept;

  /// Trains one dictionary if a family is due, for some 100 ms with the default
  /// options. It is kept only if, on values that it was not made of, it leaves
  /// at most 95 % of what zstd alone leaves, and of what the dictionary in use
  /// leaves. True if there may be more to do. For one thread, which has the
  /// time.
  bool train_some();

  figures stats() const;

private:
  void insert(const dictionary_ptr& x);

  dictionary_traffic::outcome study(const dictionary_traffic::lesson& x);

  compression_options opts_;
  mutable std::shared_mutex mutex_; ///< of the next two
  std::unordered_map<std::uint32_t, dictionary_ptr> known_;
  std::deque<std::uint32_t> order_;  ///< of `known_`, oldest first
  mutable std::mutex traffic_mutex_; ///< never held with the other
  dictionary_traffic traffic_;
  std::atomic<std::uint64_t> version_{1};
  std::atomic<std::uint64_t> trainings_{0};
  std::atomic<std::uint64_t> rejected_{0};
};

using dictionary_set_ptr = std::shared_ptr<dictionary_set>;

} // namespace terrace
