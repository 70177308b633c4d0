/// The script that writes and deletes records in Redis.
#pragma once

#include <cstddef>
#include <string_view>

namespace terrace {

/// Arguments before those of the changes.
inline constexpr std::size_t redis_script_settings = 8;

/// Applies a batch of changes, each only if it is not older than what is there.
///
/// KEYS: one name per change. ARGV: now in Unix milliseconds; a condition; an
/// event to announce, in JSON, or nothing; the channel for it; the name of the
/// log; the most events that it keeps, about; the name of the fences, or
/// nothing; a version up to which everything is about to be purged, as 16
/// hexadecimal digits, or nothing; then two arguments per change:
///
///   life   milliseconds until Redis forgets it, "0" = never, "-1" = delete,
///          "-2" = delete if it is a record
///   bytes  the record; to delete, sixteen bytes that end in the version
///
/// Returns one character per change: s stored, r refused, d deleted a live
/// record, n nothing deleted.
///
/// Conditions, with versions as 16 hexadecimal digits:
///
///   0             none
///   1             each write only where no live record is
///   =VERSION      (one change) this is the version of the live record there
///   -LIMIT        (one change) there is no live record later than this
///   -LIMITCOPY    likewise, and nothing fences off a copy of this version
///
/// A change that does not meet one of the last three is refused, and not
/// announced. If it was made by an earlier call whose answer was lost, which
/// the log knows, that is said again; nodes may give the same version.
/// Otherwise the event goes into the log before anything is changed, so that an
/// error means that nothing was; and it is published with its place there.
///
/// A fence is the version of the latest deletion of a key of its kind (one of a
/// million, by hash), or of the latest purge. A record that comes where nothing
/// is must be newer: what was written late, or lay on some node's disk, would
/// otherwise bring back what was deleted meanwhile. There is a hash of fences
/// for every minute; the last two count. Nobody gives away or makes up for what
/// is old without having read the log since, so that this is enough.
///
/// The offsets are those of tiers/codec.hpp: version at 8, expiry at 16, little
/// endian. Numbers in Lua are doubles, so versions are compared in halves; an
/// expiry below 2^53 is exact. What is not a record (a foreign value, another
/// type, damaged bytes) is replaced like nothing.
inline constexpr std::string_view redis_script = R"lua(
local now, guard = tonumber(ARGV[1]), ARGV[2]
local if_absent = guard == '1'
local pcall, call = redis.pcall, redis.call
local byte, unpack, sub = string.byte, struct.unpack, string.sub
local event, fences, purge, first = ARGV[3], ARGV[7], ARGV[8], 8
local out, raised, there = {}, purge ~= '', {}
local minute = math.floor(tonumber(call('TIME')[1]) / 60)
local latest = fences .. ':' .. minute
if fences ~= '' then
  for i = 0, 1 do
    local name = fences .. ':' .. (minute - i)
    if call('EXISTS', name) == 1 then
      there[#there + 1] = name
    end
  end
end
local function digits(bytes)
  local low, high = unpack('<I4I4', bytes, 9)
  return string.format('%08x%08x', high, low)
end
local function raise(name, version)
  if version > (call('HGET', latest, name) or '') then
    call('HSET', latest, name, version)
    raised = true
  end
end
local function fenced(key, version)
  for _, name in ipairs(there) do
    local at = call('HMGET', name, sub(redis.sha1hex(key), 1, 5), 'purge')
    if version <= (at[1] or '') or version <= (at[2] or '') then
      return true
    end
  end
  return false
end
local function look(key)
  local old = pcall('GETRANGE', key, '0', '23')
  if type(old) ~= 'string' or #old ~= 24 or byte(old) ~= 84 then
    return old, false, false
  end
  local low, high, expires_low, expires_high = unpack('<I4I4I4i4', old, 9)
  local expires = expires_high * 4294967296 + expires_low
  return old, true, expires == 0 or expires > now, low, high
end
local function announced()
  for _, x in ipairs(call('XREVRANGE', ARGV[5], '+', '-', 'COUNT', '1000')) do
    if x[2][2] == event then
      return true
    end
  end
  return false
end
if #guard > 1 then
  local old, _, live = look(KEYS[1])
  local version = live and digits(old) or ''
  local kind, seen, copy = sub(guard, 1, 1), sub(guard, 2, 17), sub(guard, 18)
  local mine, deletes = digits(ARGV[first + 2]), ARGV[first + 1] == '-1'
  local there_by_me = version == mine
    or deletes and version == '' and fences ~= ''
    and call('HGET', latest, sub(redis.sha1hex(KEYS[1]), 1, 5)) == mine
  if there_by_me and event ~= '' and announced() then
    return deletes and 'd' or 's'
  elseif kind == '=' and version ~= seen or kind == '-' and version > seen
    or copy ~= '' and fenced(KEYS[1], copy) then
    return 'r'
  end
end
if event ~= '' then
  local id = call('XADD', ARGV[5], 'MAXLEN', '~', ARGV[6], '*', 'event', event)
  call('PUBLISH', ARGV[4], sub(event, 1, -2) .. ',"id":"' .. id .. '"}')
end
if purge ~= '' then
  raise('purge', purge)
end
for i = 1, #KEYS do
  local key = KEYS[i]
  local life, bytes = ARGV[first + i * 2 - 1], ARGV[first + i * 2]
  local old, known, live, low, high = look(key)
  local newer = false
  if live then
    local my_low, my_high = unpack('<I4I4', bytes, 9)
    newer = high > my_high or (high == my_high and low > my_low)
  end
  if life == '-1' or life == '-2' then
    if fences ~= '' then
      raise(sub(redis.sha1hex(key), 1, 5), digits(bytes))
    end
    if newer or (life == '-2' and not known) then
      out[i] = 'n'
    else
      if old ~= '' then
        call('UNLINK', key)
      end
      out[i] = live and 'd' or 'n'
    end
  elseif newer or (if_absent and live)
    or (not live and #there > 0 and fenced(key, digits(bytes))) then
    out[i] = 'r'
  else
    if life == '0' then
      call('SET', key, bytes)
    else
      call('SET', key, bytes, 'PX', life)
    end
    out[i] = 's'
  end
end
if raised then
  call('PEXPIRE', latest, 180000)
end
return table.concat(out)
)lua";

} // namespace terrace
