#include "actors/resp/command_table.hpp"

#include "actors/resp/words.hpp"

#include <array>
#include <cstring>

namespace terrace::resp {

namespace {

// Arity, flags, key positions and versions are those of Redis 7.0, so that
// clients which ask for them behave in the same way.
constexpr command rows[] = {
  {"auth", id::auth, -2,
   session_change | noscript | loading | stale | fast | no_auth, 0, 0, 0,
   group::connection, "1.0.0", "Authenticate to the server"},
  {"cache.invalidate", id::cache_invalidate, -2, write | dangerous, 0, 0, 0,
   group::cache, "7.0.0",
   "Remove what a key, prefix, glob, tag or tenant means from all tiers"},
  {"cache.set", id::cache_set, -3, write | denyoom, 1, 1, 1, group::cache,
   "7.0.0", "Set the value of a key with tags and a choice of tiers"},
  {"client", id::client, -2, 0, 0, 0, 0, group::connection, "2.4.0",
   "A container for client connection commands"},
  {"client|getname", id::client_getname, 2, noscript | loading | stale, 0, 0, 0,
   group::connection, "2.6.9", "Get the current connection name"},
  {"client|help", id::client_help, 2, loading | stale, 0, 0, 0,
   group::connection, "5.0.0",
   "Show helpful text about the different subcommands"},
  {"client|id", id::client_id, 2, noscript | loading | stale, 0, 0, 0,
   group::connection, "5.0.0",
   "Returns the client ID for the current connection"},
  {"client|info", id::client_info, 2, noscript | loading | stale, 0, 0, 0,
   group::connection, "6.2.0",
   "Returns information about the current client connection"},
  {"client|kill", id::client_kill, -3,
   admin | noscript | loading | stale | dangerous, 0, 0, 0, group::connection,
   "2.4.0", "Kill the connection of a client"},
  {"client|list", id::client_list, -2,
   admin | noscript | loading | stale | dangerous, 0, 0, 0, group::connection,
   "2.4.0", "Get the list of client connections"},
  {"client|no-evict", id::client_no_evict, 3,
   admin | noscript | loading | stale | dangerous, 0, 0, 0, group::connection,
   "7.0.0", "Accepted for clients that send it; clients are never evicted"},
  {"client|no-touch", id::client_no_touch, 3, noscript | loading | stale, 0, 0,
   0, group::connection, "7.2.0",
   "Accepted for clients that send it; accesses are counted all the same"},
  {"client|reply", id::client_reply, 3, noscript | loading | stale, 0, 0, 0,
   group::connection, "3.2.0",
   "Instruct the server whether to reply to commands"},
  {"client|setinfo", id::client_setinfo, 4, noscript | loading | stale, 0, 0, 0,
   group::connection, "7.2.0",
   "Set information specific to the client or connection"},
  {"client|setname", id::client_setname, 3, noscript | loading | stale, 0, 0, 0,
   group::connection, "2.6.9", "Set the current connection name"},
  {"command", id::command, -1, loading | stale, 0, 0, 0, group::server,
   "2.8.13", "Get array of Redis command details"},
  {"command|count", id::command_count, 2, loading | stale, 0, 0, 0,
   group::server, "2.8.13", "Get total number of Redis commands"},
  {"command|docs", id::command_docs, -2, loading | stale, 0, 0, 0,
   group::server, "7.0.0", "Get array of specific Redis command documentation"},
  {"command|getkeys", id::command_getkeys, -4, loading | stale, 0, 0, 0,
   group::server, "2.8.13", "Extract keys given a full Redis command"},
  {"command|help", id::command_help, 2, loading | stale, 0, 0, 0, group::server,
   "5.0.0", "Show helpful text about the different subcommands"},
  {"command|info", id::command_info, -2, loading | stale, 0, 0, 0,
   group::server, "2.8.13",
   "Get array of specific Redis command details, or all when no argument is "
   "given"},
  {"command|list", id::command_list, -2, loading | stale, 0, 0, 0,
   group::server, "7.0.0", "Get an array of Redis command names"},
  {"config", id::config, -2, 0, 0, 0, 0, group::server, "2.0.0",
   "A container for server configuration commands"},
  {"config|get", id::config_get, -3,
   admin | noscript | loading | stale | dangerous, 0, 0, 0, group::server,
   "2.0.0", "Get the values of configuration parameters"},
  {"config|help", id::config_help, 2, loading | stale, 0, 0, 0, group::server,
   "5.0.0", "Show helpful text about the different subcommands"},
  {"config|resetstat", id::config_resetstat, 2,
   admin | noscript | loading | stale | dangerous, 0, 0, 0, group::server,
   "2.0.0", "Reset the stats returned by INFO"},
  {"config|set", id::config_set, -4,
   admin | noscript | loading | stale | dangerous, 0, 0, 0, group::server,
   "2.0.0", "Refused: no option can be changed while the node runs"},
  {"dbsize", id::dbsize, 1, readonly | fast, 0, 0, 0, group::server, "1.0.0",
   "Return the number of keys in the selected database"},
  {"del", id::del, -2, write, 1, -1, 1, group::generic, "1.0.0",
   "Delete a key"},
  {"echo", id::echo, 2, loading | stale | fast, 0, 0, 0, group::connection,
   "1.0.0", "Echo the given string"},
  {"exists", id::exists, -2, readonly | fast, 1, -1, 1, group::generic, "1.0.0",
   "Determine if a key exists"},
  {"expire", id::expire, -3, write | fast, 1, 1, 1, group::generic, "1.0.0",
   "Set a key's time to live in seconds"},
  {"expireat", id::expireat, -3, write | fast, 1, 1, 1, group::generic, "1.2.0",
   "Set the expiration for a key as a UNIX timestamp"},
  {"expiretime", id::expiretime, 2, readonly | fast, 1, 1, 1, group::generic,
   "7.0.0", "Get the expiration Unix timestamp for a key"},
  {"flushall", id::flushall, -1, write | dangerous, 0, 0, 0, group::server,
   "1.0.0", "Remove all keys from all databases"},
  {"flushdb", id::flushdb, -1, write | dangerous, 0, 0, 0, group::server,
   "1.0.0", "Remove all keys from the current database"},
  {"get", id::get, 2, readonly | fast, 1, 1, 1, group::string, "1.0.0",
   "Get the value of a key"},
  {"getdel", id::getdel, 2, write | fast, 1, 1, 1, group::string, "6.2.0",
   "Get the value of a key and delete the key"},
  {"getex", id::getex, -2, write | fast, 1, 1, 1, group::string, "6.2.0",
   "Get the value of a key and optionally set its expiration"},
  {"getset", id::getset, 3, write | denyoom | fast, 1, 1, 1, group::string,
   "1.0.0", "Set the string value of a key and return its old value"},
  {"hello", id::hello, -1,
   session_change | noscript | loading | stale | fast | no_auth, 0, 0, 0,
   group::connection, "6.0.0", "Handshake with Redis"},
  {"info", id::info, -1, loading | stale | dangerous, 0, 0, 0, group::server,
   "1.0.0", "Get information and statistics about the server"},
  {"keys", id::keys, 2, readonly | dangerous, 0, 0, 0, group::generic, "1.0.0",
   "Find all keys matching the given pattern"},
  {"mget", id::mget, -2, readonly | fast, 1, -1, 1, group::string, "1.0.0",
   "Get the values of all the given keys"},
  {"mset", id::mset, -3, write | denyoom, 1, -1, 2, group::string, "1.0.1",
   "Set multiple keys to multiple values"},
  {"persist", id::persist, 2, write | fast, 1, 1, 1, group::generic, "2.2.0",
   "Remove the expiration from a key"},
  {"pexpire", id::pexpire, -3, write | fast, 1, 1, 1, group::generic, "2.6.0",
   "Set a key's time to live in milliseconds"},
  {"pexpireat", id::pexpireat, -3, write | fast, 1, 1, 1, group::generic,
   "2.6.0",
   "Set the expiration for a key as a UNIX timestamp specified in "
   "milliseconds"},
  {"pexpiretime", id::pexpiretime, 2, readonly | fast, 1, 1, 1, group::generic,
   "7.0.0", "Get the expiration Unix timestamp for a key in milliseconds"},
  {"ping", id::ping, -1, fast, 0, 0, 0, group::connection, "1.0.0",
   "Ping the server"},
  {"psetex", id::psetex, 4, write | denyoom, 1, 1, 1, group::string, "2.6.0",
   "Set the value and expiration in milliseconds of a key"},
  {"pttl", id::pttl, 2, readonly | fast, 1, 1, 1, group::generic, "2.6.0",
   "Get the time to live for a key in milliseconds"},
  {"quit", id::quit, -1,
   session_change | noscript | loading | stale | fast | no_auth, 0, 0, 0,
   group::connection, "1.0.0", "Close the connection"},
  {"reset", id::reset, 1,
   session_change | noscript | loading | stale | fast | no_auth, 0, 0, 0,
   group::connection, "6.2.0", "Reset the connection"},
  {"scan", id::scan, -2, readonly, 0, 0, 0, group::generic, "2.8.0",
   "Incrementally iterate the keys space"},
  {"select", id::select, 2, session_change | loading | stale | fast, 0, 0, 0,
   group::connection, "1.0.0",
   "Change the selected database for the current connection"},
  {"set", id::set, -3, write | denyoom, 1, 1, 1, group::string, "1.0.0",
   "Set the string value of a key"},
  {"setex", id::setex, 4, write | denyoom, 1, 1, 1, group::string, "2.0.0",
   "Set the value and expiration of a key"},
  {"setnx", id::setnx, 3, write | denyoom | fast, 1, 1, 1, group::string,
   "1.0.0", "Set the value of a key, only if the key does not exist"},
  {"strlen", id::strlen, 2, readonly | fast, 1, 1, 1, group::string, "2.2.0",
   "Get the length of the value stored in a key"},
  {"time", id::time, 1, loading | stale | fast, 0, 0, 0, group::server, "2.6.0",
   "Return the current server time"},
  {"touch", id::touch, -2, readonly | fast, 1, -1, 1, group::generic, "3.2.1",
   "Alters the last access time of a key(s); returns how many exist"},
  {"ttl", id::ttl, 2, readonly | fast, 1, 1, 1, group::generic, "1.0.0",
   "Get the time to live for a key in seconds"},
  {"type", id::type, 2, readonly | fast, 1, 1, 1, group::generic, "1.0.0",
   "Determine the type stored at key"},
  {"unlink", id::unlink, -2, write | fast, 1, -1, 1, group::generic, "4.0.0",
   "Delete a key; the same as DEL"},
};

constexpr std::size_t row_count = std::size(rows);

// -- hashing ------------------------------------------------------------------

constexpr std::size_t slot_count = 256;

static_assert(row_count < slot_count / 2);

constexpr std::uint32_t lower(char c) noexcept {
  // Also moves a few signs; the comparison that follows is exact.
  return static_cast<unsigned char>(c) | 0x20u;
}

/// Mixes the length and three bytes; enough to tell nearly all names apart.
constexpr std::size_t hash_name(std::string_view x) noexcept {
  auto n = x.size();
  auto bytes = lower(x[0]) | lower(x[n / 2]) << 8 | lower(x[n - 1]) << 16;
  auto mixed = (bytes ^ static_cast<std::uint32_t>(n) << 24) * 0x9e3779b1u;
  return mixed >> 24;
}

/// Open addressing; an empty slot holds `row_count`.
constexpr auto slots = [] {
  std::array<std::uint8_t, slot_count> result{};
  result.fill(row_count);
  for (std::size_t i = 0; i < row_count; ++i) {
    if (rows[i].is_subcommand())
      continue;
    auto at = hash_name(rows[i].name);
    while (result[at] != row_count)
      at = (at + 1) % slot_count;
    result[at] = static_cast<std::uint8_t>(i);
  }
  return result;
}();

} // namespace

// -- look-up ------------------------------------------------------------------

std::span<const command> command_table() noexcept {
  return rows;
}

const command* find_command(std::string_view name) noexcept {
  if (name.empty())
    return nullptr;
  for (auto at = hash_name(name); slots[at] != row_count;
       at = (at + 1) % slot_count) {
    auto& row = rows[slots[at]];
    if (same_word(name, row.name))
      return &row;
  }
  return nullptr;
}

std::span<const command> subcommands(const command& x) noexcept {
  auto* first = &x + 1;
  auto* last = first;
  auto belongs = [&](const command& y) {
    return y.name.size() > x.name.size() && y.name[x.name.size()] == '|'
           && y.name.substr(0, x.name.size()) == x.name;
  };
  while (last != std::end(rows) && belongs(*last))
    ++last;
  return {first, last};
}

const command* find_subcommand(const command& x,
                               std::string_view name) noexcept {
  for (auto& y : subcommands(x))
    if (same_word(name, y.name.substr(x.name.size() + 1)))
      return &y;
  return nullptr;
}

std::string_view to_string(group x) noexcept {
  switch (x) {
    case group::connection:
      return "connection";
    case group::server:
      return "server";
    case group::generic:
      return "generic";
    case group::string:
      return "string";
    default:
      return "cache";
  }
}

} // namespace terrace::resp
