#include "actors/resp/executor.hpp"

#include "actors/resp/words.hpp"

#include <algorithm>

namespace terrace::resp {

// -- constructors -------------------------------------------------------------

executor::executor(const options& opts, const live_options& live,
                   memory_view& view, client_registry& clients)
  : opts_(opts),
    live_(live),
    view_(view),
    clients_(clients),
    shards_(view.shards()) {
  // nop
}

// -- requests -----------------------------------------------------------------

void executor::prepare(const session& s, std::span<invocation> xs) const {
  // Two rounds: by the time the second one looks at a bucket, it has come.
  for (auto& x : xs) {
    x.keyed = x.what && x.what->first_key == 1 && x.args.size() > 1;
    if (x.keyed) {
      x.hash = view_.hash(qualify_in_place(x.args[1], s.tenant));
      view_.prefetch_bucket(x.hash);
    }
  }
  for (auto& x : xs)
    if (x.keyed && x.what->is(flag::readonly))
      view_.prefetch_node(x.hash);
}

verdict executor::run(session& s, const invocation& x,
                      const epoch_domain::guard& pinned, std::int64_t now_ms) {
  context c{s, x, pinned, now_ms, discarded_};
  auto result = dispatch(c);
  if (result != verdict::wait) {
    ++counters_.commands;
    s.executed();
  }
  return result;
}

verdict executor::dispatch(context& c) {
  auto* what = c.req.what;
  if (!what)
    return unknown(c);
  if (!what->takes(c.size()))
    return wrong_arity(c, *what);
  if (!c.s.authenticated && !what->is(flag::no_auth))
    return error(c, "NOAUTH Authentication required.");
  switch (what->id) {
    // Reads of keys.
    case id::get:
      return read_one(c, shape::value);
    case id::mget:
      return read_many(c, shape::values);
    case id::exists:
    case id::touch:
      return read_many(c, shape::exists);
    case id::strlen:
      return read_one(c, shape::size);
    case id::type:
      return read_one(c, shape::type);
    case id::ttl:
      return read_one(c, shape::ttl_s);
    case id::pttl:
      return read_one(c, shape::ttl_ms);
    case id::expiretime:
      return read_one(c, shape::deadline_s);
    case id::pexpiretime:
      return read_one(c, shape::deadline_ms);
    // Changes of keys.
    case id::set:
      return set(c);
    case id::setex:
      return set_with_expiry(c, {true, false});
    case id::psetex:
      return set_with_expiry(c, {false, false});
    case id::setnx:
      return set_plain(c, shape::applied);
    case id::getset:
      return set_plain(c, shape::old_value);
    case id::mset:
      return mset(c);
    case id::getex:
      return getex(c);
    case id::getdel:
      return erase(c, shape::old_value);
    case id::del:
    case id::unlink:
      return erase(c, shape::applied);
    case id::expire:
      return expire(c, {true, false});
    case id::pexpire:
      return expire(c, {false, false});
    case id::expireat:
      return expire(c, {true, true});
    case id::pexpireat:
      return expire(c, {false, true});
    case id::persist:
      return persist(c);
    case id::cache_set:
      return cache_set(c);
    // Work for other actors.
    case id::cache_invalidate:
      return cache_invalidate(c);
    case id::flushall:
      return flush(c, selector::kind::all);
    case id::flushdb:
      return flush(c, selector::kind::tenant);
    case id::scan:
      return scan(c);
    case id::keys:
      return keys_query(c);
    case id::dbsize:
      return call(c, {});
    case id::info:
      return info(c);
    // The connection and the server.
    case id::ping:
      return ping(c);
    case id::echo:
      c.out().bulk(c.arg(1));
      return verdict::done;
    case id::quit:
      c.out().ok();
      c.s.closing = true;
      return verdict::done;
    case id::select:
      return select(c);
    case id::auth:
      return auth(c);
    case id::hello:
      return hello(c);
    case id::reset:
      return reset(c);
    case id::client:
      return client(c);
    case id::command:
      return command_query(c);
    case id::config:
      return config(c);
    case id::time:
      return time(c);
    default:
      return unknown(c); // subcommands are found under their commands only
  }
}

// -- errors -------------------------------------------------------------------

verdict executor::error(context& c, std::string_view text) {
  ++counters_.error_replies;
  c.out().error(text);
  return verdict::done;
}

verdict executor::unknown(context& c) {
  constexpr std::size_t limit = 128;
  auto name = c.arg(0);
  if (same_word(name, "post") || same_word(name, "host:")) {
    // A browser that was tricked into sending requests here must get nowhere.
    c.s.closing = true;
    return verdict::done;
  }
  std::string text{"ERR unknown command '"};
  text += name.substr(0, limit);
  text += "', with args beginning with: ";
  std::string args;
  for (std::size_t i = 1; i < c.size() && args.size() < limit; ++i) {
    args += '\'';
    args += c.arg(i).substr(0, limit - args.size() + 1);
    args += "' ";
  }
  return error(c, text + args);
}

verdict executor::wrong_arity(context& c, const command& x) {
  return error(c, "ERR wrong number of arguments for '" + std::string{x.name}
                    + "' command");
}

// -- results ------------------------------------------------------------------

void executor::deliver(session& s, const target& to, lookup& x,
                       std::int64_t now_ms) {
  constexpr std::size_t widest = 64;
  --s.reads_pending;
  count(x);
  // So many values of this size fit into the output limit.
  auto size = std::max<std::size_t>(x.data.value.size(), 1);
  auto fitting = static_cast<std::size_t>(opts_.resp.output_soft_limit) / size;
  if (fitting < s.read_window)
    s.read_window = std::max<std::size_t>(fitting, 1);
  else if (s.read_window < std::min(fitting, widest))
    ++s.read_window;
  auto& slot = s.at(to.slot);
  auto before = slot.bytes();
  slot.put(to.index, x, now_ms);
  s.account(before, slot.bytes());
}

void executor::deliver(session& s, const target& to, mutation_result& x) {
  s.end_write();
  s.bytes_pending -= to.bytes;
  if (x.code != errc::none)
    ++counters_.error_replies;
  auto& slot = s.at(to.slot);
  if (slot.is_old_value())
    count(x);
  auto before = slot.bytes();
  slot.put(x);
  s.account(before, slot.bytes());
}

void executor::fail(session& s, const target& to, errc why, bool write) {
  if (write) {
    mutation_result x;
    x.code = why;
    deliver(s, to, x);
  } else {
    auto x = lookup::failed(why);
    deliver(s, to, x, 0);
  }
}

void executor::mark(std::size_t shard) {
  if (!shards_[shard].marked()) {
    shards_[shard].mark(true);
    dirty_.push_back(shard);
  }
}

void executor::done(std::size_t shard, std::size_t bytes) {
  queued_bytes_ -= bytes;
  shards_[shard].done();
  if (shards_[shard].may_send())
    mark(shard);
}

const std::vector<std::size_t>& executor::take_dirty() {
  dirty_.swap(taken_);
  dirty_.clear();
  for (auto i : taken_)
    shards_[i].mark(false);
  return taken_;
}

} // namespace terrace::resp
