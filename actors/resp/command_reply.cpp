#include "actors/resp/command_reply.hpp"

#include "actors/resp/words.hpp"

#include <array>
#include <utility>
#include <vector>

namespace terrace::resp {

namespace {

constexpr std::array<std::pair<flag, std::string_view>, 9> flag_names{{
  {write, "write"},
  {readonly, "readonly"},
  {denyoom, "denyoom"},
  {admin, "admin"},
  {noscript, "noscript"},
  {loading, "loading"},
  {stale, "stale"},
  {fast, "fast"},
  {no_auth, "no_auth"},
}};

/// Categories follow from flags and group, as in Redis.
std::vector<std::string_view> categories(const command& x) {
  std::vector<std::string_view> result;
  auto add = [&](bool holds, std::string_view name) {
    if (holds)
      result.push_back(name);
  };
  add(x.group == group::generic, "@keyspace");
  add(x.is(readonly), "@read");
  add(x.is(write), "@write");
  add(x.group == group::string || x.group == group::cache, "@string");
  add(x.is(admin), "@admin");
  add(x.is(fast), "@fast");
  add(!x.is(fast), "@slow");
  add(x.is(dangerous), "@dangerous");
  add(x.group == group::connection, "@connection");
  return result;
}

void write_key_specs(reply_writer& out, const command& x) {
  if (x.first_key == 0) {
    out.set(0);
    return;
  }
  out.set(1);
  out.map(3);
  out.bulk("flags");
  out.set(1);
  out.simple(x.is(readonly) ? "RO" : "RW");
  out.bulk("begin_search");
  out.map(2);
  out.bulk("type");
  out.bulk("index");
  out.bulk("spec");
  out.map(1);
  out.bulk("index");
  out.integer(x.first_key);
  out.bulk("find_keys");
  out.map(2);
  out.bulk("type");
  out.bulk("range");
  out.bulk("spec");
  out.map(3);
  out.bulk("lastkey");
  // Counted from the first key on.
  out.integer(x.last_key < 0 ? x.last_key : x.last_key - x.first_key);
  out.bulk("keystep");
  out.integer(x.key_step);
  out.bulk("limit");
  out.integer(0);
}

void write_info(reply_writer& out, const command& x) {
  out.array(10);
  out.bulk(x.name);
  out.integer(x.arity);
  std::size_t n = 0;
  for (auto& [bit, name] : flag_names)
    n += x.is(bit) ? 1 : 0;
  out.set(n);
  for (auto& [bit, name] : flag_names)
    if (x.is(bit))
      out.simple(name);
  out.integer(x.first_key);
  out.integer(x.last_key);
  out.integer(x.key_step);
  auto cats = categories(x);
  out.set(cats.size());
  for (auto name : cats)
    out.simple(name);
  out.array(0); // tips for cluster proxies
  write_key_specs(out, x);
  auto subs = subcommands(x);
  out.array(subs.size());
  for (auto& sub : subs)
    write_info(out, sub);
}

void write_docs(reply_writer& out, const command& x) {
  auto subs = subcommands(x);
  out.map(subs.empty() ? 3 : 4);
  out.bulk("summary");
  out.bulk(x.summary);
  out.bulk("since");
  out.bulk(x.since);
  out.bulk("group");
  out.bulk(to_string(x.group));
  if (subs.empty())
    return;
  out.bulk("subcommands");
  out.map(subs.size());
  for (auto& sub : subs) {
    out.bulk(sub.name);
    write_docs(out, sub);
  }
}

/// A command, or a subcommand written as "client|list".
const command* find_by_full_name(std::string_view name) {
  auto bar = name.find('|');
  auto* x = find_command(name.substr(0, bar));
  if (x && bar != std::string_view::npos)
    return find_subcommand(*x, name.substr(bar + 1));
  return x;
}

} // namespace

std::size_t command_count() noexcept {
  std::size_t result = 0;
  for (auto& x : command_table())
    result += x.is_subcommand() ? 0 : 1;
  return result;
}

void write_command_infos(reply_writer out, arguments names) {
  if (names.empty()) {
    out.array(command_count());
    for (auto& x : command_table())
      if (!x.is_subcommand())
        write_info(out, x);
    return;
  }
  out.array(names.size());
  for (auto name : names) {
    if (auto* x = find_by_full_name(name))
      write_info(out, *x);
    else
      out.null_array();
  }
}

void write_command_docs(reply_writer out, arguments names) {
  std::vector<const command*> found;
  if (names.empty()) {
    for (auto& x : command_table())
      if (!x.is_subcommand())
        found.push_back(&x);
  }
  for (auto name : names)
    if (auto* x = find_by_full_name(name))
      found.push_back(x);
  out.map(found.size());
  for (auto* x : found) {
    out.bulk(x->name);
    write_docs(out, *x);
  }
}

void write_command_names(reply_writer out,
                         const std::function<bool(const command&)>& wanted) {
  std::vector<std::string_view> found;
  for (auto& x : command_table())
    if (wanted(x))
      found.push_back(x.name);
  out.set(found.size());
  for (auto name : found)
    out.bulk(name);
}

bool in_category(const command& x, std::string_view category) {
  if (category.starts_with('@'))
    category.remove_prefix(1);
  for (auto name : categories(x))
    if (same_word(category, name.substr(1)))
      return true;
  return false;
}

} // namespace terrace::resp
