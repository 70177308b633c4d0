#include "tiers/dictionary_traffic.hpp"

#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace terrace {

namespace {

/// Of so many values one is a sample: a burst of values that are written
/// together shall not be all that a dictionary knows.
constexpr std::uint64_t thinning = 4;

/// Of so many values of unknown families one makes its family known.
constexpr std::uint64_t unknown_thinning = 16;

/// Weights are halved after so many values.
constexpr std::uint64_t ageing = 1 << 16;

/// A ratio that is worse by this factor has drifted.
constexpr double drift = 1.2;

} // namespace

dictionary_traffic::dictionary_traffic(std::size_t bytes_per_family)
  : bytes_per_family_(bytes_per_family) {
  rest_.name = dictionary_family::rest().name();
}

// -- traffic ------------------------------------------------------------------

void dictionary_traffic::seen(const dictionary_family& of,
                              std::string_view value, std::uint32_t id,
                              std::size_t size) {
  if (++seen_ % ageing == 0)
    age();
  auto& x = find(of);
  ++x.weight;
  switch (x.now) {
    case state::gathering:
      gather(x, value);
      break;
    case state::settled:
      if (x.current && id == x.current->id())
        watch(x, value.size(), size);
      break;
    case state::resting:
      if (--x.left == 0)
        gather_again(x);
      break;
    case state::training:
      break;
  }
}

dictionary_traffic::family&
dictionary_traffic::find(const dictionary_family& of) {
  if (auto i = families_.find(of.hash()); i != families_.end())
    return *i->second;
  if (families_.size() >= most_families) {
    if (++unknown_ % unknown_thinning != 0)
      return rest_;
    forget_least();
    if (families_.size() >= most_families)
      return rest_;
  }
  return insert(of.hash(), of.name());
}

dictionary_traffic::family& dictionary_traffic::insert(std::uint64_t hash,
                                                       std::string_view name) {
  if (name == rest_.name)
    return rest_;
  auto x = std::make_unique<family>();
  x->name = name;
  x->weight = unknown_thinning;
  return *families_.emplace(hash, std::move(x)).first->second;
}

/// Makes room, unless everybody has shown more than a newcomer has.
void dictionary_traffic::forget_least() {
  auto least = families_.end();
  for (auto i = families_.begin(); i != families_.end(); ++i)
    if (i->second->now != state::training
        && (least == families_.end()
            || i->second->weight < least->second->weight))
      least = i;
  if (least == families_.end())
    return;
  auto& x = *least->second;
  // Like Space-Saving in the long run: who comes often enough gets in.
  if (x.weight > unknown_thinning) {
    x.weight -= unknown_thinning;
    return;
  }
  sample_bytes_ -= x.samples.bytes.size();
  families_.erase(least);
}

void dictionary_traffic::age() {
  for (auto& [hash, x] : families_)
    x->weight /= 2;
}

void dictionary_traffic::gather(family& x, std::string_view value) {
  if (x.turn++ % thinning != 0 || x.samples.bytes.size() >= bytes_per_family_
      || sample_bytes_ >= bytes_per_family_ * most_families / 2)
    return;
  // Written to two tiers, a value comes twice.
  if (!x.known.insert(XXH3_64bits(value.data(), value.size())).second)
    return;
  // Nothing is left half done if memory is short.
  auto& sizes = x.samples.sizes;
  if (sizes.size() == sizes.capacity())
    sizes.reserve(2 * sizes.size() + 64);
  x.samples.bytes += value;
  sizes.push_back(value.size());
  sample_bytes_ += value.size();
  ++samples_;
}

void dictionary_traffic::watch(family& x, std::size_t before,
                               std::size_t after) {
  x.raw_bytes += before;
  x.compressed_bytes += after;
  if (++x.records < window)
    return;
  auto ratio = static_cast<double>(x.compressed_bytes)
               / static_cast<double>(x.raw_bytes);
  x.records = x.raw_bytes = x.compressed_bytes = 0;
  if (x.ratio == 0) {
    x.ratio = ratio;
  } else if (ratio > x.ratio * drift) {
    ++drifts_;
    gather_again(x);
  }
}

void dictionary_traffic::gather_again(family& x) {
  x.now = state::gathering;
  x.turn = 0;
  x.records = x.raw_bytes = x.compressed_bytes = 0;
}

// -- training -----------------------------------------------------------------

std::optional<dictionary_traffic::lesson> dictionary_traffic::begin_lesson() {
  family* due = nullptr;
  auto look_at = [&](family& x) {
    if (x.now == state::gathering
        && (!due || x.samples.bytes.size() > due->samples.bytes.size()))
      due = &x;
  };
  for (auto& [hash, x] : families_)
    look_at(*x);
  look_at(rest_);
  const bool full = sample_bytes_ >= bytes_per_family_ * most_families / 2;
  if (!due || (due->samples.bytes.size() < bytes_per_family_ && !full))
    return std::nullopt;
  due->now = state::training;
  due->known.clear();
  sample_bytes_ -= due->samples.bytes.size();
  return lesson{due->name, std::exchange(due->samples, {}), due->current};
}

bool dictionary_traffic::end_lesson(const std::string& family,
                                    const outcome& x) {
  auto i = families_.find(dictionary_family::hash_of(family));
  auto& of = i == families_.end() ? rest_ : *i->second;
  const bool changed = of.current != x.best;
  of.current = x.best;
  of.ratio = x.ratio;
  if (x.best) {
    of.now = state::settled;
    of.rest = first_rest;
  } else {
    of.now = state::resting;
    of.left = of.rest;
    of.rest = std::min(of.rest * 2, longest_rest);
  }
  return changed;
}

// -- dictionaries -------------------------------------------------------------

bool dictionary_traffic::use(const dictionary_ptr& x) {
  auto hash = dictionary_family::hash_of(x->family());
  auto i = families_.find(hash);
  if (i == families_.end() && x->family() != rest_.name
      && families_.size() >= most_families)
    return false;
  auto& of = i == families_.end() ? insert(hash, x->family()) : *i->second;
  if (of.current || of.now == state::training)
    return false;
  of.current = x;
  of.ratio = 0;
  of.now = state::settled;
  of.known.clear();
  sample_bytes_ -= of.samples.bytes.size();
  of.samples = {};
  return true;
}

std::vector<dictionary_ptr> dictionary_traffic::in_use() const {
  std::vector<dictionary_ptr> result;
  for (auto& [hash, x] : families_)
    if (x->current)
      result.push_back(x->current);
  if (rest_.current)
    result.push_back(rest_.current);
  return result;
}

dictionary_traffic::figures dictionary_traffic::stats() const noexcept {
  return {samples_, drifts_, sample_bytes_, families_.size()};
}

} // namespace terrace
