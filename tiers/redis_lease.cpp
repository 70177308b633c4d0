// Leases of redis_store: of those who want to load a key, one does.
//
// Source: redis.io, "Distributed locks with Redis", the lock on one instance.
#include "tiers/redis_store.hpp"

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

/// KEYS[1]: the lease. ARGV: the owner, milliseconds.
constexpr std::string_view lease_script = R"lua(
local owner = redis.call('GET', KEYS[1])
if not owner or owner == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 0
end
return math.max(redis.call('PTTL', KEYS[1]), 1)
)lua";

constexpr std::string_view release_script = R"lua(
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('UNLINK', KEYS[1])
end
return 0
)lua";

} // namespace

expected<std::uint64_t> redis_store::lease(std::string_view key,
                                           std::string_view owner,
                                           milliseconds limit) {
  last_failure_ = {};
  auto name = names_.lease_name(key);
  router_.clear();
  router_.to_place(router_.place_of(name))
    .add(
      {"EVAL", lease_script, "1", name, owner, std::to_string(limit.count())});
  auto* left = exchange() ? answer(0, reply_kind::integer, "EVAL") : nullptr;
  if (!left)
    return last_failure_;
  return static_cast<std::uint64_t>(left->integer);
}

expected<void> redis_store::release(std::string_view key,
                                    std::string_view owner) {
  last_failure_ = {};
  auto name = names_.lease_name(key);
  router_.clear();
  router_.to_place(router_.place_of(name))
    .add({"EVAL", release_script, "1", name, owner});
  if (!exchange() || !answer(0, reply_kind::integer, "EVAL"))
    return last_failure_;
  return {};
}

} // namespace terrace
