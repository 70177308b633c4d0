/// Changes that a coordinator runs, in order, on the keys of its shard.
#pragma once

#include "messages/record.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace terrace {

/// One change of one key. Conditions are judged against the live record found
/// by walking all tiers, and no other change of the key runs in between.
struct mutation {
  enum class op : std::uint8_t {
    put,    ///< replace the record
    erase,  ///< delete the key
    expire, ///< change the expiry only
  };

  /// When the change is applied. The last two are for `expire` alone and
  /// compare deadlines, where "never" counts as infinitely late.
  enum class condition : std::uint8_t {
    always,
    if_absent,  ///< put: key absent; expire: key has no expiry
    if_present, ///< put: key present; expire: key has an expiry
    if_later,   ///< the new deadline is later than the present one
    if_earlier, ///< the new deadline is earlier than the present one
  };

  op what = op::put;
  condition when = condition::always;
  bool keep_expiry = false;    ///< put: keep the present deadline
  bool want_old = false;       ///< report the record as it was before
  tier_set tiers = 0;          ///< put: write only to these tiers; 0 = by size
  std::string key;             ///< qualified
  blob value;                  ///< put
  std::int64_t expires_ms = 0; ///< put, expire: deadline, 0 = never
  std::vector<std::string> tags; ///< put
  bool compress = true;          ///< put: tiers may compress the value

  /// True if the outcome does not depend on what is there.
  bool is_plain() const noexcept {
    return when == condition::always && !want_old && !keep_expiry
           && what != op::expire;
  }

  friend bool operator==(const mutation&, const mutation&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, mutation& x) {
  return f(x.what, x.when, x.keep_expiry, x.want_old, x.tiers, x.key, x.value,
           x.expires_ms, x.tags, x.compress);
}

using mutations = std::vector<mutation>;

/// What became of one mutation. `applied` is false when the condition did not
/// hold or, for `erase` and `expire`, when the key was absent. An error means
/// that nothing was changed.
struct mutation_result {
  errc code = errc::none;
  bool applied = false;
  bool had_old = false;  ///< a live record existed; only with want_old,
                         ///< a condition, `erase` or `expire`
  version_t version = 0; ///< version given to the change, if applied
  record old;            ///< only with want_old

  friend bool operator==(const mutation_result&, const mutation_result&)
    = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, mutation_result& x) {
  return f(x.code, x.applied, x.had_old, x.version, x.old);
}

using mutation_results = std::vector<mutation_result>;

/// Answer to `claim`: the value, or the duty to load it.
struct claim {
  lookup found;            ///< hit, or a miss with the duty to load
  std::uint64_t token = 0; ///< non-zero: the caller must load the value and
                           ///< send `fulfil` or `abandon` with this token

  friend bool operator==(const claim&, const claim&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, claim& x) {
  return f(x.found, x.token);
}

} // namespace terrace
