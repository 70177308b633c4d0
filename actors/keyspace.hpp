/// Enumerates the keys of a tenant over all tiers: SCAN, KEYS, DBSIZE.
#pragma once

#include "actors/tier_handle.hpp"
#include "messages/interfaces.hpp"

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace terrace {

/// A scan asks one tier after the other, the slowest local one first: with disk
/// in the chain that is disk, which holds nearly everything, then memory. Redis
/// is asked only when there is no disk, because it is shared and its SCAN walks
/// over what others keep there. A key that is present during the whole scan is
/// returned at least once. So that a key that is both on disk and in memory
/// comes once only, a scan remembers the hashes of what it returned from the
/// first tier; past `max_remembered` in all open scans together it stops doing
/// so, and keys may come twice, which SCAN permits.
///
/// A cursor stands for a position that is kept here. At most `max_cursors` are
/// kept; the oldest is forgotten first and then answers `invalid_argument`.
class keyspace_state {
public:
  static inline const char* name = "terrace.keyspace";

  /// Scans that can be open at the same time.
  static constexpr std::size_t max_cursors = 4096;

  /// Hashes remembered by all open scans together.
  static constexpr std::size_t max_remembered = 1'000'000;

  /// Largest page that is asked of a tier at once.
  static constexpr std::uint64_t max_page = 10'000;

  explicit keyspace_state(keyspace_actor::pointer self) : self_(self) {
    // nop
  }

  /// `tiers`: one handle per tier of the chain, for memory one per shard.
  keyspace_actor::behavior_type make_behavior(std::vector<tier_handle> tiers);

private:
  /// Hashes of keys that a scan has returned from its first source.
  using hash_set = std::unordered_set<std::uint64_t>;

  /// Where a scan stands.
  struct position {
    std::size_t source = 0;     ///< index into `sources_`
    std::string cursor;         ///< the tier's own
    std::uint64_t previous = 0; ///< cursor of the step before
    std::shared_ptr<hash_set> seen;
  };

  caf::result<scan_page> scan(const scan_request& x);

  void advance(const position& at, key_page page,
               caf::typed_response_promise<scan_page> promise);

  caf::result<keys> list(tenant_id tenant, const std::string& glob);

  struct listing {
    caf::typed_response_promise<keys> promise;
    list_request request;
    std::size_t source = 0;
    std::unordered_set<std::string> found;
  };

  void list_on(const std::shared_ptr<listing>& x);

  caf::result<std::uint64_t> count(tenant_id tenant);

  std::uint64_t remember(position x);

  keyspace_actor::pointer self_;     ///< the actor
  std::vector<tier_handle> sources_; ///< in the order of a scan
  std::unordered_map<std::uint64_t, position> cursors_; ///< open scans
  std::deque<std::uint64_t> cursor_order_;              ///< oldest first
  std::uint64_t last_cursor_ = 0; ///< latest cursor given out
  std::uint64_t scans_ = 0;       ///< steps since start or reset
  std::uint64_t lists_ = 0;       ///< KEYS since start or reset
  std::uint64_t forgotten_ = 0;   ///< cursors pushed out
};

keyspace_actor::behavior_type
keyspace(keyspace_actor::stateful_pointer<keyspace_state> self,
         std::vector<tier_handle> tiers);

} // namespace terrace
