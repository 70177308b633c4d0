// Commands about the server, and those that other actors answer.

#include "actors/resp/command_reply.hpp"
#include "actors/resp/config_reply.hpp"
#include "actors/resp/executor.hpp"
#include "actors/resp/words.hpp"
#include "messages/glob.hpp"

#include <array>

namespace terrace::resp {

namespace {

constexpr std::array<std::string_view, 15> command_help_lines{
  "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "(no subcommand)",
  "    Return details about all commands.",
  "COUNT",
  "    Return the total number of commands in this server.",
  "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
  "    Return a list of all commands in this server.",
  "INFO [<command-name> ...]",
  "    Return details about multiple commands, by default all.",
  "DOCS [<command-name> ...]",
  "    Return documentation details about multiple commands, by default all.",
  "GETKEYS <full-command>",
  "    Return the keys from a full command.",
  "HELP",
  "    Print this help.",
};

constexpr std::array<std::string_view, 10> config_help_lines{
  "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "GET <pattern> [<pattern> ...]",
  "    Return options matching the glob-like <pattern> and their values.",
  "SET <option> <value> [<option> <value> ...]",
  "    Set maxmemory, maxmemory-policy, node.max_memory, memory.max_size,",
  "    memory.max_entries or memory.policy. Other options need a restart.",
  "RESETSTAT",
  "    Reset statistics reported by the INFO command.",
  "HELP",
  "    Print this help.",
};

} // namespace

verdict executor::help(context& c, std::span<const std::string_view> lines) {
  auto out = c.out();
  out.array(lines.size());
  for (auto x : lines)
    out.simple(x);
  return verdict::done;
}

verdict executor::unknown_subcommand(context& c) {
  std::string name{c.req.what->name};
  for (auto& x : name)
    x = static_cast<char>(x >= 'a' && x <= 'z' ? x - 32 : x);
  return error(c, "ERR unknown subcommand '"
                    + std::string{c.arg(1).substr(0, 128)} + "'. Try " + name
                    + " HELP.");
}

verdict executor::time(context& c) {
  auto out = c.out();
  out.array(2);
  out.bulk(std::to_string(c.now_ms / 1000));
  out.bulk(std::to_string(c.now_ms % 1000 * 1000));
  return verdict::done;
}

// -- COMMAND ------------------------------------------------------------------

verdict executor::command_query(context& c) {
  if (c.size() == 1) {
    write_command_infos(c.out(), {});
    return verdict::done;
  }
  auto* sub = find_subcommand(*c.req.what, c.arg(1));
  if (!sub)
    return unknown_subcommand(c);
  if (!sub->takes(c.size()))
    return wrong_arity(c, *sub);
  switch (sub->id) {
    case id::command_count:
      c.out().integer(static_cast<std::int64_t>(command_count()));
      return verdict::done;
    case id::command_info:
      write_command_infos(c.out(), c.req.args.subspan(2));
      return verdict::done;
    case id::command_docs:
      write_command_docs(c.out(), c.req.args.subspan(2));
      return verdict::done;
    case id::command_list:
      return command_list(c);
    case id::command_getkeys:
      return command_keys(c);
    default:
      return help(c, command_help_lines);
  }
}

verdict executor::command_list(context& c) {
  auto args = c.req.args.subspan(2);
  if (args.empty()) {
    write_command_names(c.out(), [](const command&) { return true; });
    return verdict::done;
  }
  if (args.size() != 3 || !same_word(args[0], "filterby"))
    return error(c, syntax_error_text);
  if (same_word(args[1], "module"))
    write_command_names(c.out(), [](const command&) { return false; });
  else if (same_word(args[1], "aclcat"))
    write_command_names(c.out(), [&](const command& x) {
      return in_category(x, args[2]);
    });
  else if (same_word(args[1], "pattern"))
    write_command_names(c.out(), [&](const command& x) {
      return glob_match(args[2], x.name);
    });
  else
    return error(c, syntax_error_text);
  return verdict::done;
}

verdict executor::command_keys(context& c) {
  auto args = c.req.args.subspan(2);
  auto* x = find_command(args[0]);
  if (!x)
    return error(c, "ERR Invalid command specified");
  if (x->first_key == 0)
    return error(c, "ERR The command has no key arguments");
  if (!x->takes(args.size()))
    return error(c, "ERR Invalid number of arguments specified for command");
  std::vector<std::string_view> found;
  auto last = x->last_key < 0
                ? static_cast<std::ptrdiff_t>(args.size()) + x->last_key
                : x->last_key;
  for (std::ptrdiff_t i = x->first_key; i <= last; i += x->key_step)
    found.push_back(args[static_cast<std::size_t>(i)]);
  auto out = c.out();
  out.array(found.size());
  for (auto key : found)
    out.bulk(key);
  return verdict::done;
}

// -- CONFIG -------------------------------------------------------------------

verdict executor::config(context& c) {
  if (c.size() < 2)
    return wrong_arity(c, *c.req.what);
  auto* sub = find_subcommand(*c.req.what, c.arg(1));
  if (!sub)
    return unknown_subcommand(c);
  if (!sub->takes(c.size()))
    return wrong_arity(c, *sub);
  switch (sub->id) {
    case id::config_get:
      write_config(c.out(), *live_.get(), c.req.args.subspan(2));
      return verdict::done;
    case id::config_set:
      if (c.size() % 2 != 0)
        return wrong_arity(c, *sub);
      return config_set(c);
    case id::config_resetstat: {
      service_call x;
      x.what = service_call::kind::reset;
      return call(c, std::move(x));
    }
    default:
      return help(c, config_help_lines);
  }
}

/// The first argument that cannot be set is told at once; whether the values
/// can be is for the configurator to say.
verdict executor::config_set(context& c) {
  service_call x;
  x.what = service_call::kind::configure;
  auto now = live_.get();
  for (std::size_t i = 2; i < c.size(); i += 2) {
    auto wanted = to_setting(*now, c.arg(i), c.arg(i + 1));
    if (!wanted)
      return error(c, wanted.error().detail);
    x.changes.push_back(*std::move(wanted));
  }
  return call(c, std::move(x));
}

// -- services -----------------------------------------------------------------

verdict executor::call(context& c, service_call x) {
  if (!c.s.idle())
    return verdict::wait;
  x.muted = c.s.muted();
  c.s.call = std::move(x);
  return verdict::service;
}

verdict executor::info(context& c) {
  service_call x;
  x.what = service_call::kind::info;
  for (auto section : c.req.args.subspan(1))
    x.sections.insert(lower_case(section));
  return call(c, std::move(x));
}

verdict executor::flush(context& c, selector::kind what) {
  if (c.size() > 2
      || (c.size() == 2 && !same_word(c.arg(1), "sync")
          && !same_word(c.arg(1), "async")))
    return error(c, syntax_error_text);
  service_call x;
  x.what = service_call::kind::flush;
  x.selected = {what, c.s.tenant, {}};
  return call(c, std::move(x));
}

verdict executor::cache_invalidate(context& c) {
  using kind = selector::kind;
  service_call x;
  x.what = service_call::kind::invalidate;
  x.selected.tenant = c.s.tenant;
  auto known = [&] {
    for (auto what : {kind::key, kind::prefix, kind::glob, kind::tag,
                      kind::tenant, kind::all}) {
      if (same_word(c.arg(1), to_string(what))) {
        x.selected.what = what;
        return true;
      }
    }
    return false;
  };
  if (!known())
    return error(c, "ERR expected KEY, PREFIX, GLOB, TAG, TENANT or ALL");
  const bool whole = x.selected.what == kind::tenant
                     || x.selected.what == kind::all;
  if (c.size() != (whole ? 2u : 3u))
    return wrong_arity(c, *c.req.what);
  if (!whole)
    x.selected.text = c.arg(2);
  return call(c, std::move(x));
}

verdict executor::keys_query(context& c) {
  service_call x;
  x.what = service_call::kind::keys;
  x.step.tenant = c.s.tenant;
  x.step.glob = c.arg(1);
  return call(c, std::move(x));
}

verdict executor::scan(context& c) {
  service_call x;
  x.what = service_call::kind::scan;
  x.step.tenant = c.s.tenant;
  auto text = c.arg(1);
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(),
                                   x.step.cursor);
  if (ec != std::errc{} || end != text.data() + text.size())
    return error(c, "ERR invalid cursor");
  for (std::size_t i = 2; i < c.size(); i += 2) {
    if (i + 1 == c.size())
      return error(c, syntax_error_text);
    auto value = c.arg(i + 1);
    if (same_word(c.arg(i), "count")) {
      auto n = parse_integer(value);
      if (!n)
        return error(c, not_integer_text);
      if (*n < 1)
        return error(c, syntax_error_text);
      x.step.count = static_cast<std::uint64_t>(*n);
    } else if (same_word(c.arg(i), "match")) {
      x.step.glob = value;
    } else if (same_word(c.arg(i), "type")) {
      x.hide_found = !same_word(value, "string");
    } else {
      return error(c, syntax_error_text);
    }
  }
  return call(c, std::move(x));
}

} // namespace terrace::resp
