// Commands that only look at keys.

#include "actors/resp/executor.hpp"

namespace terrace::resp {

void executor::count(const lookup& x) noexcept {
  ++counters_.requests;
  switch (x.what) {
    case lookup::outcome::hit:
      ++counters_.hits;
      break;
    case lookup::outcome::miss:
      ++counters_.misses;
      break;
    default:
      ++counters_.errors;
      counters_.error_replies += is_refusal(x.code) ? 1 : 0;
  }
}

void executor::count(const mutation_result& x) noexcept {
  ++counters_.requests;
  if (x.code != errc::none)
    ++counters_.errors;
  else if (x.had_old)
    ++counters_.hits;
  else
    ++counters_.misses;
}

void executor::fetch(context& c, std::uint64_t slot, std::uint32_t index,
                     std::uint64_t hash, std::string_view key) {
  auto shard = view_.shard_of(hash);
  mark(shard);
  ++c.s.reads_pending;
  shards_[shard].fetch(key, {c.s.info->fd, index, c.s.info->id, slot, 0});
}

verdict executor::read_one(context& c, shape what) {
  // A read waits for the changes of its key that came before it.
  if (c.s.maybe_written(c.req.hash) || !c.s.may_read())
    return verdict::wait;
  auto key = qualify_in_place(c.arg(1), c.s.tenant);
  auto* node = view_.find(c.pinned, key, c.req.hash, c.now_ms);
  if (!node) {
    fetch(c, c.s.open(what, 1), 0, c.req.hash, key);
    return verdict::done;
  }
  ++counters_.requests;
  ++counters_.hits;
  auto bytes = node->bytes();
  if (what == shape::value) {
    if (bytes.size() < output::share_limit)
      c.out().bulk(bytes);
    else
      c.out().bulk(node->value());
  } else {
    write_lookup(c.out(), what, true, {},
                 number_of(what, true, bytes.size(), node->expires_ms(),
                           c.now_ms));
  }
  return verdict::done;
}

verdict executor::read_many(context& c, shape what) {
  auto keys = c.req.args.subspan(1);
  if (keys.size() == 1 && what != shape::values)
    return read_one(c, what);
  if (!c.s.may_read())
    return verdict::wait;
  hashes_.resize(keys.size());
  nodes_.resize(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    hashes_[i] = view_.hash(qualify_in_place(keys[i], c.s.tenant));
    view_.prefetch_bucket(hashes_[i]);
  }
  for (auto hash : hashes_) {
    if (c.s.maybe_written(hash))
      return verdict::wait;
    view_.prefetch_node(hash);
  }
  std::size_t missing = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto key = qualify_in_place(keys[i], c.s.tenant);
    nodes_[i] = view_.find(c.pinned, key, hashes_[i], c.now_ms);
    missing += nodes_[i] ? 0 : 1;
  }
  auto found = keys.size() - missing;
  counters_.requests += found;
  counters_.hits += found;
  if (missing == 0) {
    auto out = c.out();
    if (what != shape::values) {
      out.integer(static_cast<std::int64_t>(found));
      return verdict::done;
    }
    out.array(keys.size());
    for (auto* node : nodes_) {
      if (node->bytes().size() < output::share_limit)
        out.bulk(node->bytes());
      else
        out.bulk(node->value());
    }
    return verdict::done;
  }
  auto number = c.s.open(what, static_cast<std::uint32_t>(keys.size()));
  auto& slot = c.s.at(number);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto index = static_cast<std::uint32_t>(i);
    if (nodes_[i])
      slot.put(index, nodes_[i]->value());
    else
      fetch(c, number, index, hashes_[i],
            qualify_in_place(keys[i], c.s.tenant));
  }
  c.s.account(0, slot.bytes());
  return verdict::done;
}

} // namespace terrace::resp
