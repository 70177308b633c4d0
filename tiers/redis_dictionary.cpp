// The dictionaries of redis_store: records are of no use without those that
// they were compressed with.
#include "tiers/redis_store.hpp"

#include <algorithm>

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

/// How often they are looked up while records are written: for so long, records
/// may be in Redis that only this node can read, if somebody flushes it.
constexpr std::int64_t keep_interval_ms = 5000;

/// How much longer they live than the records.
constexpr std::int64_t longer_life_ms = 3'600'000;

/// What was not there is not looked for again for so long.
constexpr std::int64_t absent_ms = 1000;

/// Numbers remembered as not there; then all are forgotten.
constexpr std::size_t most_absent = 1000;

/// Prolongs the life of a dictionary, and never shortens it: other nodes may
/// let their records live longer.
///
/// KEYS[1]: its name. ARGV: milliseconds to live, 0 for ever; the bytes to put
/// where nothing is, or nothing. Returns 0 if it is not there, 1 if it is, 2 if
/// something else is.
constexpr std::string_view keep_script = R"lua(
local left, life = redis.call('PTTL', KEYS[1]), tonumber(ARGV[1])
if left == -2 then
  if ARGV[2] == '' then
    return 0
  elseif life == 0 then
    redis.call('SET', KEYS[1], ARGV[2])
  else
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
  end
  return 1
end
if ARGV[2] ~= '' and redis.pcall('GET', KEYS[1]) ~= ARGV[2] then
  return 2
end
if life == 0 then
  redis.call('PERSIST', KEYS[1])
elseif left >= 0 and left < life then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return 1
)lua";

} // namespace

// -- keeping ------------------------------------------------------------------

bool redis_store::keep_dictionaries(std::int64_t now_ms) {
  if (!codec_->has_dictionaries())
    return true;
  auto age = now_ms - dictionaries_kept_ms_;
  if (!codec_->wants_any() && age >= 0 && age < keep_interval_ms)
    return true;
  dictionaries_kept_ms_ = now_ms;
  auto is = [this](std::size_t i, std::int64_t outcome) {
    auto& x = replies_[i];
    return x.is(reply_kind::integer) && x.integer == outcome;
  };
  auto used = codec_->adopted();
  if (!send_dictionaries(used, false))
    return false;
  for (std::size_t i = 0; i < used.size(); ++i)
    if (is(i, 0))
      codec_->forsake(used[i]->id());
  auto fresh = codec_->wanted();
  if (!send_dictionaries(fresh, true))
    return false;
  // If it could not be put, or its number is another one's there, records are
  // written without it.
  for (std::size_t i = 0; i < fresh.size(); ++i)
    if (is(i, 1))
      codec_->adopt(fresh[i]);
  // What is wrong with a server the records themselves will tell.
  last_failure_ = {};
  return true;
}

bool redis_store::send_dictionaries(const std::vector<dictionary_ptr>& xs,
                                    bool put) {
  if (xs.empty())
    return true;
  auto max_ttl = opts_.max_ttl.count();
  auto life = std::to_string(max_ttl > 0 ? max_ttl + longer_life_ms : 0);
  router_.clear();
  for (auto& x : xs) {
    auto name = names_.dictionary_name(x->id());
    router_.to_place(router_.place_of(name))
      .add({"EVAL", keep_script, "1", name, life,
            put ? std::string_view{x->stored()} : std::string_view{}});
  }
  return exchange() || goes_on();
}

// -- fetching -----------------------------------------------------------------

void redis_store::read_unread(std::span<const std::string> keys,
                              std::int64_t now_ms, std::span<lookup> out) {
  if (unread_.empty())
    return;
  const bool done = fetch_dictionaries(now_ms);
  for (auto& x : unread_)
    out[x.index] = done ? read_record(keys[x.index], x.bytes, now_ms)
                        : lookup::failed(last_failure_.code);
  unread_.clear();
}

bool redis_store::fetch_dictionaries(std::int64_t now_ms) {
  std::vector<std::uint32_t> ids;
  for (auto& x : unread_) {
    auto i = absent_.find(x.dictionary);
    if (i == absent_.end() || i->second <= now_ms)
      ids.push_back(x.dictionary);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  if (ids.empty())
    return true;
  router_.clear();
  for (auto id : ids) {
    auto name = names_.dictionary_name(id);
    router_.to_place(router_.place_of(name)).add({"GET", name});
  }
  if (!exchange() && !goes_on())
    return false;
  if (absent_.size() > most_absent)
    absent_.clear();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    // Anybody may have written what is there.
    if (replies_[i].is(reply_kind::text))
      if (auto x = codec_->add_dictionary(replies_[i].text); x) {
        absent_.erase(ids[i]);
        continue;
      }
    absent_[ids[i]] = now_ms + absent_ms;
  }
  return true;
}

} // namespace terrace
