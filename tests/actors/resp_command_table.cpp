// The command table, and what the COMMAND family tells clients about it.

#define CAF_SUITE actors.resp_command_table

#include "actors/resp/command_reply.hpp"
#include "actors/resp/command_table.hpp"

#include <caf/test/unit_test.hpp>

#include <algorithm>
#include <set>

using namespace terrace::resp;

namespace {

template <class F>
std::string reply_of(F&& f, bool three = false) {
  output out;
  f(reply_writer{out, three});
  return std::string{out.text().view()};
}

} // namespace

CAF_TEST(rows are sorted and have names of their own) {
  auto rows = command_table();
  for (std::size_t i = 1; i < rows.size(); ++i)
    CAF_CHECK_LESS(rows[i - 1].name, rows[i].name);
  std::set<id> ids;
  for (auto& x : rows)
    ids.insert(x.id);
  CAF_CHECK_EQUAL(ids.size(), rows.size());
}

CAF_TEST(every command is found in any case) {
  for (auto& x : command_table()) {
    if (x.is_subcommand()) {
      CAF_CHECK(find_command(x.name) == nullptr);
      continue;
    }
    std::string upper{x.name};
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? c - 32 : c; });
    CAF_CHECK(find_command(x.name) == &x);
    CAF_CHECK(find_command(upper) == &x);
  }
}

CAF_TEST(other names are not found) {
  for (auto name : {"", "g", "gett", "g3t",
                    "\x07"
                    "et",
                    "geT ", "hset", "multi", "cache,set"})
    CAF_CHECK(find_command(name) == nullptr);
}

CAF_TEST(subcommands belong to their command) {
  auto* client = find_command("client");
  CAF_REQUIRE(client != nullptr);
  CAF_CHECK_EQUAL(subcommands(*client).size(), 11u);
  auto* list = find_subcommand(*client, "LIST");
  CAF_REQUIRE(list != nullptr);
  CAF_CHECK_EQUAL(list->name, "client|list");
  CAF_CHECK(find_subcommand(*client, "get") == nullptr);
  CAF_CHECK(subcommands(*find_command("get")).empty());
}

CAF_TEST(arity counts the name) {
  auto* get = find_command("get");
  CAF_CHECK(!get->takes(1));
  CAF_CHECK(get->takes(2));
  CAF_CHECK(!get->takes(3));
  auto* mset = find_command("mset");
  CAF_CHECK(!mset->takes(2));
  CAF_CHECK(mset->takes(3));
  CAF_CHECK(mset->takes(1000));
}

CAF_TEST(key positions are within the arity) {
  for (auto& x : command_table()) {
    CAF_CHECK_EQUAL(x.first_key == 0, x.last_key == 0);
    CAF_CHECK_EQUAL(x.first_key == 0, x.key_step == 0);
    CAF_CHECK_LESS(x.first_key, std::abs(x.arity));
  }
}

// Bytes as redis-server 7.0.15 sends them.
CAF_TEST(COMMAND INFO tells what Redis tells) {
  std::string_view names[] = {"GET", "nosuch"};
  CAF_CHECK_EQUAL(
    reply_of([&](reply_writer x) { write_command_infos(x, names); }),
    "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n"
    ":1\r\n*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n"
    "$5\r\nflags\r\n*1\r\n+RO\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n"
    "$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n"
    "$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n"
    "$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n"
    "*-1\r\n");
}

CAF_TEST(COMMAND INFO without names tells of all commands) {
  auto text = reply_of([](reply_writer x) { write_command_infos(x, {}); });
  CAF_CHECK_EQUAL(text.substr(0, text.find('\r')),
                  "*" + std::to_string(command_count()));
}

CAF_TEST(COMMAND DOCS leaves unknown names out) {
  std::string_view names[] = {"nosuch", "get"};
  CAF_CHECK_EQUAL(
    reply_of([&](reply_writer x) { write_command_docs(x, names); }, true),
    "%1\r\n$3\r\nget\r\n%3\r\n$7\r\nsummary\r\n$22\r\nGet the value of a "
    "key\r\n$5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n");
}

CAF_TEST(categories follow from flags and group) {
  auto in = [](std::string_view name, std::string_view category) {
    return in_category(*find_command(name), category);
  };
  CAF_CHECK(in("get", "read"));
  CAF_CHECK(in("get", "@STRING"));
  CAF_CHECK(!in("get", "write"));
  CAF_CHECK(in("keys", "dangerous"));
  CAF_CHECK(in("del", "keyspace"));
  CAF_CHECK(in("del", "slow"));
}
