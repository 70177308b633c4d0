#include "tiers/tier_walk.hpp"

#include <numeric>

namespace terrace {

tier_walk::tier_walk(keys xs, std::size_t first, std::size_t tiers)
  : keys_(std::move(xs)),
    tier_(first),
    tiers_(tiers),
    open_(keys_.size()),
    results_(keys_.size()),
    found_in_(keys_.size()) {
  std::iota(open_.begin(), open_.end(), std::size_t{0});
}

tier_walk::step tier_walk::ask() {
  step result{tier_, {}};
  result.missing.reserve(open_.size());
  for (auto i : open_)
    result.missing.push_back(keys_[i]);
  return result;
}

void tier_walk::answer(lookups xs) {
  if (xs.size() != open_.size()) {
    fail(errc::protocol_violation);
    return;
  }
  std::vector<std::size_t> still_open;
  for (std::size_t n = 0; n < xs.size(); ++n) {
    auto i = open_[n];
    if (xs[n].hit()) {
      results_[i] = std::move(xs[n]);
      found_in_[i] = tier_;
      continue;
    }
    if (xs[n].what == lookup::outcome::error)
      note_error(i, xs[n].code);
    still_open.push_back(i);
  }
  open_ = std::move(still_open);
  ++tier_;
}

void tier_walk::fail(errc code) {
  for (auto i : open_)
    note_error(i, code);
  ++tier_;
}

void tier_walk::note_error(std::size_t i, errc code) {
  if (results_[i].what == lookup::outcome::miss)
    results_[i] = lookup::failed(code);
}

} // namespace terrace
