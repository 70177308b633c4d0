/// Item ids by the hashes of their keys: a flat table with linear probing.
#pragma once

#include "tiers/page_vector.hpp"
#include "tiers/policies/policy.hpp"

namespace terrace {

class hash_index {
public:
  /// 0 if there is none.
  item_id find(std::uint64_t hash) const noexcept {
    return places_[find_place(hash)].item;
  }

  /// Adds or changes what `find` returns; `x` is not 0.
  void put(std::uint64_t hash, item_id x) {
    if (count_ * 2 >= places_.size())
      grow();
    auto& to = places_[find_place(hash)];
    count_ += to.item == 0 ? 1 : 0;
    to = {hash, x};
  }

  void erase(std::uint64_t hash) noexcept {
    auto mask = places_.size() - 1;
    auto gap = find_place(hash);
    if (places_[gap].item == 0)
      return;
    --count_;
    // Closes the gap: what was pushed past it moves back.
    for (auto i = (gap + 1) & mask; places_[i].item != 0; i = (i + 1) & mask) {
      if (((i - home(places_[i].hash)) & mask) < ((i - gap) & mask))
        continue;
      places_[gap] = places_[i];
      gap = i;
    }
    places_[gap] = {};
  }

  /// Appends the hashes for which `f` is true to `out`.
  template <class F>
  void collect(F f, std::vector<std::uint64_t>& out) const {
    for (auto& x : places_)
      if (x.item != 0 && f(x.hash))
        out.push_back(x.hash);
  }

  std::size_t bytes() const noexcept {
    return places_.size() * sizeof(place);
  }

private:
  struct place {
    std::uint64_t hash = 0;
    item_id item = 0;
  };

  std::size_t home(std::uint64_t hash) const noexcept {
    return (hash >> 20) & (places_.size() - 1);
  }

  /// Where `hash` is, or the gap where it belongs.
  std::size_t find_place(std::uint64_t hash) const noexcept {
    auto i = home(hash);
    while (places_[i].item != 0 && places_[i].hash != hash)
      i = (i + 1) & (places_.size() - 1);
    return i;
  }

  void grow() {
    page_vector<place> old(places_.size() * 2);
    old.swap(places_);
    for (auto& x : old)
      if (x.item != 0)
        places_[find_place(x.hash)] = x;
  }

  page_vector<place> places_ = page_vector<place>(16); ///< a power of two
  std::size_t count_ = 0;
};

} // namespace terrace
