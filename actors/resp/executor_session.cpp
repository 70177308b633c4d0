// Commands about the connection itself.

#include "actors/resp/executor.hpp"
#include "actors/resp/version.hpp"
#include "actors/resp/words.hpp"

#include <array>
#include <optional>

namespace terrace::resp {

namespace {

constexpr std::string_view wrong_password
  = "WRONGPASS invalid username-password pair or user is disabled.";

/// Takes the same time wherever the two differ.
bool same_secret(std::string_view given, std::string_view wanted) noexcept {
  volatile unsigned difference = given.size() == wanted.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    auto x = static_cast<unsigned char>(given[i]);
    auto y = static_cast<unsigned char>(wanted[i % wanted.size()]);
    difference = difference | static_cast<unsigned>(x ^ y);
  }
  return difference == 0;
}

/// True if `x` can stand in a line of CLIENT LIST.
bool is_plain_name(std::string_view x) noexcept {
  for (auto c : x)
    if (c < '!' || c > '~')
      return false;
  return true;
}

bool is_client_type(std::string_view x) noexcept {
  return same_word(x, "normal") || same_word(x, "master")
         || same_word(x, "slave") || same_word(x, "replica")
         || same_word(x, "pubsub");
}

constexpr std::array<std::string_view, 36> client_help_lines{
  "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "GETNAME",
  "    Return the name of the current connection.",
  "ID",
  "    Return the ID of the current connection.",
  "INFO",
  "    Return information about the current client connection.",
  "KILL <ip:port>",
  "    Kill connection made from <ip:port>.",
  "KILL <option> <value> [<option> <value> [...]]",
  "    Kill connections. Options are:",
  "    * ID <client-id>",
  "      Kill connections by client id.",
  "    * ADDR <ip:port>",
  "      Kill connections made from the specified address",
  "    * LADDR <ip:port>",
  "      Kill connections made to specified local address",
  "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
  "      Kill connections by type.",
  "    * USER <username>",
  "      Kill connections authenticated by <username>.",
  "    * SKIPME (YES|NO)",
  "      Skip killing current connection (default: yes).",
  "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <client-id> [...]]",
  "    Return information about client connections.",
  "NO-EVICT (ON|OFF)",
  "    Accepted; clients are never evicted.",
  "NO-TOUCH (ON|OFF)",
  "    Accepted; accesses are counted all the same.",
  "REPLY (ON|OFF|SKIP)",
  "    Control the replies sent to the current connection.",
  "SETINFO (LIB-NAME|LIB-VER) <value>",
  "    Name the client library or its version.",
  "SETNAME <name>",
  "    Assign the name <name> to the current connection.",
  "HELP",
};

} // namespace

verdict executor::ping(context& c) {
  if (c.size() > 2)
    return wrong_arity(c, *c.req.what);
  if (c.size() == 2)
    c.out().bulk(c.arg(1));
  else
    c.out().raw("+PONG\r\n");
  return verdict::done;
}

verdict executor::select(context& c) {
  auto n = parse_integer(c.arg(1));
  if (!n || *n > INT32_MAX || *n < INT32_MIN)
    return error(c, not_integer_text);
  if (*n < 0 || *n >= static_cast<std::int64_t>(opts_.cache.tenants))
    return error(c, "ERR DB index is out of range");
  c.s.tenant = static_cast<tenant_id>(*n);
  c.s.info->tenant = c.s.tenant;
  c.out().ok();
  return verdict::done;
}

// -- passwords ----------------------------------------------------------------

bool executor::check_password(context& c, std::string_view user,
                              std::string_view password) {
  auto& wanted = opts_.resp.password;
  // Without a password the default user takes any, as in Redis.
  if (user == "default" && (wanted.empty() || same_secret(password, wanted))) {
    c.s.authenticated = true;
    return true;
  }
  ++counters_.auth_failures;
  error(c, wrong_password);
  return false;
}

verdict executor::auth(context& c) {
  if (c.size() > 3)
    return error(c, syntax_error_text);
  if (c.size() == 2 && opts_.resp.password.empty())
    return error(c, "ERR AUTH <password> called without any password "
                    "configured for the default user. Are you sure your "
                    "configuration is correct?");
  const bool named = c.size() == 3;
  if (check_password(c, named ? c.arg(1) : "default", c.arg(named ? 2 : 1)))
    c.out().ok();
  return verdict::done;
}

verdict executor::hello(context& c) {
  std::optional<std::int64_t> version;
  if (c.size() > 1) {
    version = parse_integer(c.arg(1));
    if (!version)
      return error(c, "ERR Protocol version is not an integer or out of range");
    if (*version < 2 || *version > 3)
      return error(c, "NOPROTO unsupported protocol version");
  }
  std::optional<std::string_view> name;
  std::optional<std::size_t> credentials;
  for (std::size_t i = 2; i < c.size();) {
    if (same_word(c.arg(i), "auth") && i + 2 < c.size()) {
      credentials = i + 1;
      i += 3;
    } else if (same_word(c.arg(i), "setname") && i + 1 < c.size()) {
      name = c.arg(i + 1);
      if (!is_plain_name(*name))
        return error(c, "ERR Client names cannot contain spaces, newlines or "
                        "special characters.");
      i += 2;
    } else {
      return error(c, "ERR Syntax error in HELLO option '"
                        + std::string{c.arg(i)} + "'");
    }
  }
  if (credentials
      && !check_password(c, c.arg(*credentials), c.arg(*credentials + 1)))
    return verdict::done;
  if (!c.s.authenticated)
    return error(c, "NOAUTH HELLO must be called with the client already "
                    "authenticated, otherwise the HELLO <proto> AUTH <user> "
                    "<pass> option can be used to authenticate the client and "
                    "select the RESP protocol version at the same time");
  // Replies that wait are rendered in the protocol that held when they were
  // asked for.
  if (version && !c.s.idle())
    return verdict::wait;
  if (name)
    clients_.rename(*c.s.info, std::string{*name});
  if (version) {
    c.s.resp3 = *version == 3;
    c.s.info->protocol = static_cast<std::uint32_t>(*version);
  }
  auto out = c.out();
  out.map(7);
  out.bulk("server");
  out.bulk("redis");
  out.bulk("version");
  out.bulk(redis_version);
  out.bulk("proto");
  out.integer(c.s.resp3 ? 3 : 2);
  out.bulk("id");
  out.integer(static_cast<std::int64_t>(c.s.info->id));
  out.bulk("mode");
  out.bulk("standalone");
  out.bulk("role");
  out.bulk("master");
  out.bulk("modules");
  out.array(0);
  return verdict::done;
}

verdict executor::reset(context& c) {
  if (!c.s.idle())
    return verdict::wait;
  c.s.tenant = 0;
  c.s.resp3 = false;
  c.s.mode = session::replies::on;
  c.s.authenticated = opts_.resp.password.empty();
  c.s.info->tenant = 0;
  c.s.info->protocol = 2;
  clients_.rename(*c.s.info, {});
  c.out().raw("+RESET\r\n");
  return verdict::done;
}

// -- CLIENT -------------------------------------------------------------------

verdict executor::client(context& c) {
  if (c.size() < 2)
    return wrong_arity(c, *c.req.what);
  auto* sub = find_subcommand(*c.req.what, c.arg(1));
  if (!sub)
    return unknown_subcommand(c);
  if (!sub->takes(c.size()))
    return wrong_arity(c, *sub);
  switch (sub->id) {
    case id::client_id:
      c.out().integer(static_cast<std::int64_t>(c.s.info->id));
      return verdict::done;
    case id::client_getname: {
      auto name = clients_.name_of(*c.s.info);
      if (name.empty())
        c.out().null();
      else
        c.out().bulk(name);
      return verdict::done;
    }
    case id::client_setname:
      if (!is_plain_name(c.arg(2)))
        return error(c, "ERR Client names cannot contain spaces, newlines or "
                        "special characters.");
      clients_.rename(*c.s.info, std::string{c.arg(2)});
      c.out().ok();
      return verdict::done;
    case id::client_setinfo:
      return client_setinfo(c);
    case id::client_info:
      c.out().verbatim(clients_.list(c.now_ms, [&](const client_info& x) {
        return x.id == c.s.info->id;
      }));
      return verdict::done;
    case id::client_list:
      return client_list(c);
    case id::client_kill:
      return client_kill(c);
    case id::client_reply:
      return client_reply(c);
    case id::client_no_evict:
    case id::client_no_touch:
      if (!same_word(c.arg(2), "on") && !same_word(c.arg(2), "off"))
        return error(c, syntax_error_text);
      c.out().ok();
      return verdict::done;
    default:
      return help(c, client_help_lines);
  }
}

verdict executor::client_setinfo(context& c) {
  auto field = c.arg(2);
  std::string_view known;
  for (std::string_view x : {"lib-name", "lib-ver"})
    if (same_word(field, x))
      known = x;
  if (known.empty())
    return error(c, "ERR Unrecognized option '" + std::string{field} + "'");
  if (!is_plain_name(c.arg(3)))
    return error(c, "ERR " + std::string{known}
                      + " cannot contain spaces, newlines or special "
                        "characters.");
  clients_.library(*c.s.info, known, std::string{c.arg(3)});
  c.out().ok();
  return verdict::done;
}

verdict executor::client_reply(context& c) {
  using replies = session::replies;
  if (same_word(c.arg(2), "on")) {
    c.s.mode = replies::on;
    c.out().ok();
  } else if (same_word(c.arg(2), "off")) {
    c.s.mode = replies::off;
  } else if (same_word(c.arg(2), "skip")) {
    if (c.s.mode != replies::off)
      c.s.mode = replies::skip_next;
  } else {
    return error(c, syntax_error_text);
  }
  return verdict::done;
}

verdict executor::client_list(context& c) {
  std::function<bool(const client_info&)> wanted = [](const client_info&) {
    return true;
  };
  std::vector<std::uint64_t> ids;
  if (c.size() == 4 && same_word(c.arg(2), "type")) {
    if (!is_client_type(c.arg(3)))
      return error(c,
                   "ERR Unknown client type '" + std::string{c.arg(3)} + "'");
    // There are no replicas and no subscribers.
    if (!same_word(c.arg(3), "normal"))
      wanted = [](const client_info&) { return false; };
  } else if (c.size() > 3 && same_word(c.arg(2), "id")) {
    for (auto x : c.req.args.subspan(3)) {
      auto n = parse_integer(x);
      if (!n || *n < 1)
        return error(c, "ERR Invalid client ID");
      ids.push_back(static_cast<std::uint64_t>(*n));
    }
    wanted = [&](const client_info& x) {
      return std::find(ids.begin(), ids.end(), x.id) != ids.end();
    };
  } else if (c.size() != 2) {
    return error(c, syntax_error_text);
  }
  c.out().verbatim(clients_.list(c.now_ms, wanted));
  return verdict::done;
}

verdict executor::client_kill(context& c) {
  if (c.size() == 3) {
    auto n = kill(
      c, [&](const client_info& x) { return x.address == c.arg(2); }, false);
    if (n == 0)
      return error(c, "ERR No such client");
    c.out().ok();
    return verdict::done;
  }
  if (c.size() % 2 != 0)
    return error(c, syntax_error_text);
  std::optional<std::uint64_t> number;
  std::optional<std::string_view> address, local;
  bool any = true;
  bool skip_me = true;
  for (std::size_t i = 2; i < c.size(); i += 2) {
    auto option = c.arg(i);
    auto value = c.arg(i + 1);
    if (same_word(option, "id")) {
      auto n = parse_integer(value);
      if (!n || *n < 1)
        return error(c, "ERR client-id should be greater than 0");
      number = static_cast<std::uint64_t>(*n);
    } else if (same_word(option, "type")) {
      if (!is_client_type(value))
        return error(c, "ERR Unknown client type '" + std::string{value} + "'");
      any = any && same_word(value, "normal");
    } else if (same_word(option, "addr")) {
      address = value;
    } else if (same_word(option, "laddr")) {
      local = value;
    } else if (same_word(option, "user")) {
      if (value != "default")
        return error(c, "ERR No such user '" + std::string{value} + "'");
    } else if (same_word(option, "skipme")
               && (same_word(value, "yes") || same_word(value, "no"))) {
      skip_me = same_word(value, "yes");
    } else {
      return error(c, syntax_error_text);
    }
  }
  auto n = kill(
    c,
    [&](const client_info& x) {
      return any && (!number || x.id == *number)
             && (!address || x.address == *address)
             && (!local || x.local == *local);
    },
    skip_me);
  c.out().integer(static_cast<std::int64_t>(n));
  return verdict::done;
}

std::size_t
executor::kill(context& c,
               const std::function<bool(const client_info&)>& wanted,
               bool skip_me) {
  auto& me = *c.s.info;
  auto others = clients_.kill(
    [&](const client_info& x) { return x.id != me.id && wanted(x); });
  if (skip_me || !wanted(me))
    return others;
  // This connection still gets its reply.
  c.s.closing = true;
  return others + 1;
}

} // namespace terrace::resp
