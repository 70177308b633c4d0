/// The one table of all commands. Looking up, checking and documenting commands
/// is driven by it: a command is an id, a row, and a case in the executor.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace terrace::resp {

enum class id : std::uint8_t {
  auth,
  cache_invalidate,
  cache_set,
  client,
  client_getname,
  client_help,
  client_id,
  client_info,
  client_kill,
  client_list,
  client_no_evict,
  client_no_touch,
  client_reply,
  client_setinfo,
  client_setname,
  command,
  command_count,
  command_docs,
  command_getkeys,
  command_help,
  command_info,
  command_list,
  config,
  config_get,
  config_help,
  config_resetstat,
  config_set,
  dbsize,
  del,
  echo,
  exists,
  expire,
  expireat,
  expiretime,
  flushall,
  flushdb,
  get,
  getdel,
  getex,
  getset,
  hello,
  info,
  keys,
  mget,
  mset,
  persist,
  pexpire,
  pexpireat,
  pexpiretime,
  ping,
  psetex,
  pttl,
  quit,
  reset,
  scan,
  select,
  set,
  setex,
  setnx,
  strlen,
  time,
  touch,
  ttl,
  type,
  unlink,
};

/// Flags with Redis' names, as COMMAND INFO tells them to clients, followed by
/// Terrace's own.
enum flag : std::uint16_t {
  write = 1 << 0,
  readonly = 1 << 1,
  denyoom = 1 << 2,
  admin = 1 << 3,
  noscript = 1 << 4,
  loading = 1 << 5,
  stale = 1 << 6,
  fast = 1 << 7,
  no_auth = 1 << 8,
  /// Belongs to the category @dangerous.
  dangerous = 1 << 9,
  /// Changes what the connection's later requests mean.
  session_change = 1 << 10,
};

enum class group : std::uint8_t { connection, server, generic, string, cache };

std::string_view to_string(group x) noexcept;

struct command {
  /// Lower case; subcommands as "client|list".
  std::string_view name;
  resp::id id;
  /// Number of arguments, the name included; negative: at least so many.
  std::int16_t arity;
  std::uint16_t flags;
  /// Positions of the keys: first, last (negative: counted from the end), and
  /// the distance between two; all zero for commands without keys.
  std::int8_t first_key;
  std::int8_t last_key;
  std::int8_t key_step;
  resp::group group;
  std::string_view since;
  std::string_view summary;

  bool is(flag x) const noexcept {
    return (flags & x) != 0;
  }

  bool takes(std::size_t args) const noexcept {
    return arity >= 0 ? args == static_cast<std::size_t>(arity)
                      : args >= static_cast<std::size_t>(-arity);
  }

  constexpr bool is_subcommand() const noexcept {
    return name.find('|') != std::string_view::npos;
  }
};

/// All rows, sorted by name; subcommands stand behind their command.
std::span<const command> command_table() noexcept;

/// The command called `name` in any case; null if there is none. Subcommands
/// are not found.
const command* find_command(std::string_view name) noexcept;

/// The subcommands of `x`; empty if it has none.
std::span<const command> subcommands(const command& x) noexcept;

/// The subcommand of `x` called `name` in any case; null if there is none.
const command* find_subcommand(const command& x,
                               std::string_view name) noexcept;

} // namespace terrace::resp
