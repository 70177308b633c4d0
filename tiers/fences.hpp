/// Invalidations under way, so that a look-up cannot bring back what they
/// remove.
#pragma once

#include "messages/record.hpp"
#include "messages/selector.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace terrace {

/// While an invalidation walks through the tiers, a tier that is not yet purged
/// may still answer with what is being removed. A fence hides such records. It
/// is raised before the first tier is purged and lowered after the last;
/// lowered, it stays in force for the walks that had begun by then, because
/// they may have read a tier before it was purged. Plain state machine,
/// single-owner.
class fences {
public:
  /// Hides what `what` selects with a version of at most `up_to`. If another
  /// node began the invalidation, the tier that both share is purged already
  /// (`everywhere` is false), and what it answers is not hidden.
  void raise(selector what, version_t up_to, bool everywhere) {
    xs_.push_back({std::move(what), up_to, raised, everywhere});
  }

  /// `latest_walk`: number of the walk that began last.
  void lower(version_t up_to, std::uint64_t latest_walk) {
    for (auto& x : xs_)
      if (x.up_to == up_to && x.until_walk == raised)
        x.until_walk = latest_walk;
  }

  /// Forgets fences that no walk needs; `oldest_walk` is the oldest one still
  /// going, or the number the next walk will get.
  void collect(std::uint64_t oldest_walk) {
    std::erase_if(xs_, [=](auto& x) { return x.until_walk < oldest_walk; });
  }

  bool hide(std::string_view key, const record& x, tier_kind from) const {
    auto shared = from == tier_kind::redis;
    return std::any_of(xs_.begin(), xs_.end(), [&](auto& f) {
      return x.version <= f.up_to && (f.everywhere || !shared)
             && f.what.matches(key, x.tags);
    });
  }

  std::size_t size() const noexcept {
    return xs_.size();
  }

private:
  static constexpr auto raised = std::numeric_limits<std::uint64_t>::max();

  struct fence {
    selector what;
    version_t up_to;
    std::uint64_t until_walk;
    bool everywhere;
  };

  std::vector<fence> xs_;
};

} // namespace terrace
