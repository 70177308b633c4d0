/// The script that writes and deletes records in Redis.
#pragma once

#include <string_view>

namespace terrace {

/// Applies a batch of changes, each only if it is not older than what is there.
///
/// KEYS: one name per change. ARGV[1]: now in Unix milliseconds; ARGV[2]: "1"
/// to write only where no live record is; then two arguments per change:
///
///   life   milliseconds until Redis forgets it, "0" = never, "-1" = delete,
///          "-2" = delete if it is a record
///   bytes  the record; to delete, sixteen bytes that end in the version
///
/// Returns one character per change: s stored, r refused, d deleted a live
/// record, n nothing deleted.
///
/// The offsets are those of tiers/codec.hpp: version at 8, expiry at 16, little
/// endian. Numbers in Lua are doubles, so versions are compared in halves; an
/// expiry below 2^53 is exact. What is not a record (a foreign value, another
/// type, damaged bytes) is replaced like nothing.
inline constexpr std::string_view redis_script = R"lua(
local now, if_absent = tonumber(ARGV[1]), ARGV[2] == '1'
local pcall, call = redis.pcall, redis.call
local byte, unpack = string.byte, struct.unpack
local out = {}
for i = 1, #KEYS do
  local key, life, bytes = KEYS[i], ARGV[i * 2 + 1], ARGV[i * 2 + 2]
  local old = pcall('GETRANGE', key, '0', '23')
  local known = type(old) == 'string' and #old == 24 and byte(old) == 84
  local live, newer = false, false
  if known then
    local low, high, expires_low, expires_high = unpack('<I4I4I4i4', old, 9)
    local expires = expires_high * 4294967296 + expires_low
    live = expires == 0 or expires > now
    if live then
      local my_low, my_high = unpack('<I4I4', bytes, 9)
      newer = high > my_high or (high == my_high and low > my_low)
    end
  end
  if life == '-1' or life == '-2' then
    if newer or (life == '-2' and not known) then
      out[i] = 'n'
    else
      if old ~= '' then
        call('UNLINK', key)
      end
      out[i] = live and 'd' or 'n'
    end
  elseif newer or (if_absent and live) then
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
return table.concat(out)
)lua";

} // namespace terrace
