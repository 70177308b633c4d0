/// What a tier holds under a key, and what a look-up answers.
#pragma once

#include "messages/blob.hpp"
#include "messages/errc.hpp"
#include "messages/key.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace terrace {

/// Hybrid logical time; larger is newer (see tiers/hybrid_clock.hpp).
using version_t = std::uint64_t;

/// The tiers a node can have, in the order of their bits in a `tier_set`.
enum class tier_kind : std::uint8_t { memory, redis, disk, none };

inline constexpr std::size_t tier_count = 3;

/// One bit per `tier_kind`. Zero stands for "no hint".
using tier_set = std::uint8_t;

constexpr tier_set bit(tier_kind x) noexcept {
  return static_cast<tier_set>(1u << static_cast<unsigned>(x));
}

constexpr std::string_view to_string(tier_kind x) noexcept {
  switch (x) {
    case tier_kind::memory:
      return "memory";
    case tier_kind::redis:
      return "redis";
    case tier_kind::disk:
      return "disk";
    default:
      return "none";
  }
}

/// A value with its metadata. `expires_ms` is Unix time in milliseconds, zero
/// means never. A record is live while `now_ms < expires_ms`.
struct record {
  blob value;
  version_t version = 0;
  std::int64_t expires_ms = 0;
  std::vector<std::string> tags;
  bool compress = true; ///< false: tiers store the value as it is

  bool expired(std::int64_t now_ms) const noexcept {
    return expires_ms != 0 && expires_ms <= now_ms;
  }

  friend bool operator==(const record&, const record&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, record& x) {
  return f(x.value, x.version, x.expires_ms, x.tags, x.compress);
}

/// A record under its qualified key.
struct entry {
  std::string key;
  record data;
  std::uint32_t cost_us = 0; ///< time it took to get it here; 0: not known

  friend bool operator==(const entry&, const entry&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, entry& x) {
  return f(x.key, x.data, x.cost_us);
}

using entries = std::vector<entry>;

/// Entries shared between several tiers' messages without a copy.
class entry_batch {
public:
  entry_batch() = default;

  explicit entry_batch(entries xs)
    : xs_(std::make_shared<const entries>(std::move(xs))) {
    // nop
  }

  const entries& get() const noexcept {
    static const entries none;
    return xs_ ? *xs_ : none;
  }

  friend bool operator==(const entry_batch& x, const entry_batch& y) noexcept {
    return x.get() == y.get();
  }

private:
  std::shared_ptr<const entries> xs_;
};

/// One key to delete. A tier ignores it when it holds a newer version.
struct removal {
  std::string key;
  version_t version = 0;

  friend bool operator==(const removal&, const removal&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, removal& x) {
  return f(x.key, x.version);
}

using removals = std::vector<removal>;

/// A change of one key for a tier that several nodes share, to be made only if
/// nobody else has changed the key since its author looked.
struct guarded_change {
  entry change;            ///< of a deletion, key and version only
  bool erases = false;     ///< it is a deletion
  version_t seen = 0;      ///< of the live record there; 0: there was none
  version_t elsewhere = 0; ///< of the copy seen in another tier; 0: none
  /// Records up to here do not count: the tier is behind. For its own use.
  version_t hidden = 0;

  friend bool operator==(const guarded_change&, const guarded_change&)
    = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, guarded_change& x) {
  return f(x.change, x.erases, x.seen, x.elsewhere, x.hidden);
}

/// What a look-up found. A miss is not an error; an error is not a miss.
struct lookup {
  enum class outcome : std::uint8_t { miss, hit, error };

  outcome what = outcome::miss;
  errc code = errc::none;           ///< set when `what` is `error`
  tier_kind from = tier_kind::none; ///< tier that answered a hit
  record data;                      ///< set when `what` is `hit`

  bool hit() const noexcept {
    return what == outcome::hit;
  }

  static lookup missed() {
    return {};
  }

  static lookup found(record data, tier_kind from) {
    return {outcome::hit, errc::none, from, std::move(data)};
  }

  static lookup failed(errc code) {
    return {outcome::error, code, tier_kind::none, {}};
  }

  friend bool operator==(const lookup&, const lookup&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lookup& x) {
  return f(x.what, x.code, x.from, x.data);
}

using lookups = std::vector<lookup>;

/// Outcome of `store` on a batch: `stored + refused + failed` = entries given.
/// `refused` counts entries that a tier keeps out by rule: an older version
/// than it holds, already expired, or above its size limit.
struct store_report {
  std::uint64_t stored = 0;
  std::uint64_t refused = 0;
  std::uint64_t failed = 0;
  failure why; ///< first failure, if any

  friend bool operator==(const store_report&, const store_report&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, store_report& x) {
  return f(x.stored, x.refused, x.failed, x.why);
}

/// Outcome of `remove`: for each key, in order, whether a live record was
/// there. On failure `why` is set and `existed` is all false.
struct remove_report {
  std::vector<bool> existed;
  failure why;

  friend bool operator==(const remove_report&, const remove_report&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, remove_report& x) {
  return f(x.existed, x.why);
}

/// A page of qualified keys. Pass `next` back to continue; `done` ends it.
struct key_page {
  keys found;
  std::string next;
  bool done = true;

  friend bool operator==(const key_page&, const key_page&) = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, key_page& x) {
  return f(x.found, x.next, x.done);
}

} // namespace terrace
