/// The contract of every storage engine. Engines are ordinary classes: no
/// actor, no thread of their own, and no clock; `now_ms` (Unix milliseconds)
/// comes from the caller. Keys are qualified (messages/key.hpp). Unless an
/// engine's header says otherwise, one thread at a time may call it.
///
/// Caller guarantees: keys are qualified; `out` vectors are filled by the
/// engine and need no preparation.
///
/// Engine MUST: answer look-ups in the order of the keys; never return an
/// expired record; never replace a record by one with a smaller version, nor
/// remove one with a larger version than the removal's; report errors as errors
/// and never as misses; let no exception escape.
#pragma once

#include "messages/expected.hpp"
#include "messages/record.hpp"
#include "messages/selector.hpp"
#include "messages/status.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace terrace {

class store {
public:
  virtual ~store() = default;

  virtual tier_kind kind() const noexcept = 0;

  /// Looks up every key. The result has one element per key.
  virtual lookups fetch(std::span<const std::string> keys, std::int64_t now_ms)
    = 0;

  /// Stores every entry. Refuses entries that are expired already, older than
  /// what is there, or larger than the engine takes. When `if_absent` is set (a
  /// promotion), an entry is also refused if any live record is there.
  virtual store_report
  put(std::span<const entry> xs, bool if_absent, std::int64_t now_ms)
    = 0;

  /// Deletes keys, unless the record there is newer than the removal.
  virtual remove_report remove(std::span<const removal> xs, std::int64_t now_ms)
    = 0;

  /// Deletes every entry that `what` selects and whose version is at most
  /// `up_to`. Returns the number deleted, expired ones not counted.
  virtual expected<std::uint64_t>
  purge(const selector& what, version_t up_to, std::int64_t now_ms) = 0;

  /// One page of the live keys of `tenant` that match `glob` ("*" for all). At
  /// most about `budget` keys are looked at. Pass an empty `cursor` to begin
  /// and the page's `next` to go on. A key that is present during the whole
  /// walk is returned at least once.
  virtual expected<key_page> list(tenant_id tenant, const std::string& glob,
                                  const std::string& cursor, std::size_t budget,
                                  std::int64_t now_ms)
    = 0;

  /// Live and not yet swept entries of one tenant, in O(1) where the engine
  /// can.
  virtual expected<std::uint64_t> count(tenant_id tenant) = 0;

  /// Removes expired records and brings the engine back within its bounds, at
  /// most `budget` entries' worth of work. Returns the budget left; zero means
  /// that there may be more to do.
  virtual std::size_t sweep(std::int64_t now_ms, std::size_t budget) = 0;

  /// Fills in what the engine knows: entries, bytes, capacity, evictions,
  /// expirations, extra. Look-up counters belong to the tier, not the engine.
  virtual void describe(tier_status& out) = 0;
};

} // namespace terrace
