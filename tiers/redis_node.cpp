#include "tiers/redis_node.hpp"

namespace terrace {

// -- constructors -------------------------------------------------------------

redis_node::redis_node(redis_address where, std::uint32_t failures,
                       std::chrono::milliseconds open_for)
  : where_(std::move(where)),
    name_(redis_node_name(where_)),
    breaker_(failures, open_for) {
  // nop
}

// -- use ----------------------------------------------------------------------

bool redis_node::admit(time_point now, bool urgent) {
  if (!down())
    return true;
  std::lock_guard guard{mutex_};
  auto probe = breaker_.try_probe(urgent ? time_point::max() : now);
  return probe || urgent || breaker_.closed();
}

void redis_node::answered() {
  std::lock_guard guard{mutex_};
  breaker_.success();
  breaker_.probe_succeeded();
  down_ = !breaker_.closed();
}

void redis_node::failed(const failure& why, time_point now) {
  std::lock_guard guard{mutex_};
  breaker_.failure_seen(why, now);
  breaker_.probe_failed(why, now);
  down_ = !breaker_.closed();
}

// -- properties ---------------------------------------------------------------

failure redis_node::reason() const {
  std::lock_guard guard{mutex_};
  return {errc::breaker_open,
          name_ + " is down: " + to_string(breaker_.reason())};
}

std::string redis_node_name(const redis_address& where) {
  auto result = where.path.empty()
                  ? where.host + ':' + std::to_string(where.port)
                  : where.path;
  if (where.db != 0)
    result += '/' + std::to_string(where.db);
  return result;
}

} // namespace terrace
