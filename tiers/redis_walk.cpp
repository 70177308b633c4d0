// The operations of redis_store that walk the whole server, and its figures.
#include "tiers/redis_store.hpp"

#include <algorithm>
#include <charconv>
#include <new>
#include <utility>

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

/// Names asked for in one step of a walk that the caller does not divide.
constexpr std::size_t walk_step = 1000;

/// Bytes read of a record to learn its header, and with most records its tags.
constexpr std::string_view last_header_byte = "31";
constexpr std::string_view last_tag_byte = "1023";

bool expired(const codec::header& x, std::int64_t now_ms) noexcept {
  return x.expires_ms != 0 && x.expires_ms <= now_ms;
}

/// The number behind `field` in a section of INFO.
std::optional<std::uint64_t> find_figure(std::string_view info,
                                         std::string_view field) noexcept {
  auto at = info.find(field);
  if (at == info.npos)
    return std::nullopt;
  std::uint64_t result = 0;
  auto* first = info.data() + at + field.size();
  auto [end, ec] = std::from_chars(first, info.data() + info.size(), result);
  if (ec != std::errc{} || end == first)
    return std::nullopt;
  return result;
}

} // namespace

// -- store --------------------------------------------------------------------

expected<key_page> redis_store::list(tenant_id tenant, const std::string& glob,
                                     const std::string& cursor,
                                     std::size_t budget, std::int64_t now_ms) {
  last_failure_ = {};
  try {
    selector what{selector::kind::glob, tenant, glob};
    auto page = scan(what, cursor, budget);
    if (!page)
      return page;
    std::erase_if(page->found,
                  [&](const std::string& x) { return !what.matches(x, {}); });
    auto heads = read_heads(page->found, last_header_byte);
    if (!heads)
      return heads.error();
    std::size_t i = 0;
    std::erase_if(page->found, [&](const std::string&) {
      auto head = codec::peek((*heads)[i++]);
      return !head || expired(*head, now_ms);
    });
    return page;
  } catch (const std::bad_alloc&) {
    return fail_out_of_memory();
  }
}

expected<std::uint64_t> redis_store::count(tenant_id tenant) {
  last_failure_ = {};
  try {
    selector what{selector::kind::tenant, tenant, {}};
    std::uint64_t result = 0;
    std::string cursor;
    for (;;) {
      auto page = scan(what, cursor, walk_step);
      if (!page)
        return page.error();
      result += page->found.size();
      if (page->done)
        return result;
      cursor = page->next;
    }
  } catch (const std::bad_alloc&) {
    return fail_out_of_memory();
  }
}

expected<std::uint64_t>
redis_store::purge(const selector& what, version_t up_to, std::int64_t now_ms) {
  std::uint64_t result = 0;
  std::string cursor;
  failure why;
  for (;;) {
    auto page = purge_step(what, up_to, cursor, walk_step, now_ms);
    if (!page)
      return page.error();
    result += page->removed;
    if (page->why)
      why = page->why;
    if (page->done)
      break;
    cursor = page->next;
  }
  if (why)
    return why;
  return result;
}

std::size_t redis_store::sweep(std::int64_t, std::size_t budget) {
  return budget;
}

void redis_store::describe(tier_status& out) {
  static constexpr std::pair<std::string_view, const char*> wanted[] = {
    {"\nused_memory:", "server_memory_bytes"},
    {"\nmaxmemory:", "server_max_memory_bytes"},
    {"\nevicted_keys:", "server_evictions"},
    {"\nexpired_keys:", "server_expirations"},
  };
  out.tier = tier_kind::redis;
  try {
    router_.clear();
    to_all({"DBSIZE"});
    to_all({"INFO", "memory"});
    to_all({"INFO", "stats"});
    exchange();
    // A server may forbid INFO: then its answers are errors, and ignored.
    for (auto& x : replies_) {
      if (x.is(reply_kind::integer))
        out.extra["server_keys"] += static_cast<std::uint64_t>(x.integer);
      for (auto& [field, name] : wanted)
        if (auto figure = find_figure(x.text, field))
          out.extra[name] += *figure;
    }
  } catch (const std::bad_alloc&) {
    fail_out_of_memory();
  }
}

// -- more than a store --------------------------------------------------------

expected<redis_store::purge_page>
redis_store::purge_step(const selector& what, version_t up_to,
                        const std::string& cursor, std::size_t budget,
                        std::int64_t now_ms) {
  last_failure_ = {};
  try {
    if (cursor.empty() && what.what != selector::kind::key)
      if (auto ok = raise_fence(up_to); !ok)
        return ok.error();
    auto page = purge_found(what, up_to, cursor, budget, now_ms);
    if (!page && !router_.undivided() && what.what != selector::kind::key) {
      // The other servers are purged all the same.
      auto why = page.error();
      auto at = find_position(cursor);
      if (!at)
        return at.error();
      auto next = next_server(*at);
      const bool done = next.empty();
      page = purge_page{0, std::move(next), done, why};
    }
    if (page && page->done)
      if (auto ok = announce({{}, 0, "purge", {}, what, up_to}); !ok)
        return ok.error();
    return page;
  } catch (const std::bad_alloc&) {
    return fail_out_of_memory();
  }
}

expected<redis_store::purge_page>
redis_store::purge_found(const selector& what, version_t up_to,
                         const std::string& cursor, std::size_t budget,
                         std::int64_t now_ms) {
  key_page page;
  if (what.what == selector::kind::key) {
    page.found.push_back(what.key_prefix());
  } else {
    auto scanned = scan(what, cursor, budget);
    if (!scanned)
      return scanned.error();
    page = *std::move(scanned);
  }
  if (auto ok = keep_selected(what, up_to, now_ms, page.found); !ok)
    return ok.error();
  auto removed = remove_records(page.found, up_to, now_ms);
  if (!removed)
    return removed.error();
  return purge_page{*removed, std::move(page.next), page.done, {}};
}

bool redis_store::is_cursor(const std::string& x) noexcept {
  std::uint64_t number = 0;
  auto* last = x.data() + std::min(x.find('@'), x.size());
  auto [end, ec] = std::from_chars(x.data(), last, number);
  return x.empty() || (ec == std::errc{} && end == last);
}

expected<void> redis_store::ping() {
  last_failure_ = {};
  router_.clear();
  to_all({"PING"});
  exchange(true);
  for (std::size_t i = 0; i < replies_.size(); ++i)
    if (answer(i, reply_kind::status, "PING")) {
      last_failure_ = {};
      return {};
    }
  return last_failure_;
}

expected<void> redis_store::ping_all() {
  last_failure_ = {};
  router_.clear();
  to_all({"PING"});
  exchange();
  for (std::size_t i = 0; i < replies_.size(); ++i)
    if (!answer(i, reply_kind::status, "PING"))
      return last_failure_;
  return {};
}

// -- private ------------------------------------------------------------------

expected<redis_store::walk_position>
redis_store::find_position(const std::string& cursor) {
  if (!is_cursor(cursor))
    return failure{errc::invalid_argument, "cursor " + cursor};
  router_.clear();
  walk_position result;
  auto at = cursor.find('@');
  result.cursor = cursor.empty() ? "0" : cursor.substr(0, at);
  if (router_.undivided())
    return result;
  auto n = router_.servers();
  if (n == 0) {
    to_all({"PING"});
    if (!exchange())
      return last_failure_;
  }
  if (at != cursor.npos)
    while (result.server < n
           && router_.server(result.server).name() != cursor.substr(at + 1))
      ++result.server;
  if (result.server < n)
    return result;
  return fail({errc::unavailable, "the servers changed during the walk"});
}

std::string redis_store::next_server(const walk_position& x) const {
  if (router_.undivided() || x.server + 1 >= router_.servers())
    return {};
  return "0@" + router_.server(x.server + 1).name();
}

expected<key_page> redis_store::scan(const selector& what,
                                     const std::string& cursor,
                                     std::size_t budget) {
  auto at = find_position(cursor);
  if (!at)
    return at.error();
  // The servers may change while this one answers.
  auto after = next_server(*at);
  auto here = router_.undivided() ? ""
                                  : '@' + router_.server(at->server).name();
  auto& to = router_.undivided() ? router_.to_place(0)
                                 : router_.to_server(at->server);
  to.add({"SCAN", at->cursor, "MATCH", names_.pattern(what), "COUNT",
          std::to_string(std::clamp<std::size_t>(budget, 1, 10000))});
  auto* page = exchange() ? answer(0, reply_kind::array, "SCAN", 2) : nullptr;
  if (!page)
    return last_failure_;
  auto& next = page->elements[0];
  auto& names = page->elements[1];
  if (!next.is(reply_kind::text) || !names.is(reply_kind::array))
    return fail({errc::protocol_violation, "unexpected reply to SCAN"});
  key_page result;
  std::string key;
  for (auto& name : names.elements)
    if (names_.key_of(name.text, key))
      result.found.push_back(key);
  result.next = next.text == "0" ? after : std::string{next.text} + here;
  result.done = result.next.empty();
  return result;
}

expected<std::vector<std::string>>
redis_store::read_heads(const keys& xs, std::string_view last_byte) {
  std::vector<std::string> result(xs.size());
  if (xs.empty())
    return result;
  router_.clear();
  for (auto& key : xs) {
    auto& name = names_.name_of(key);
    router_.to_place(router_.place_of(name))
      .add({"GETRANGE", name, "0", last_byte});
  }
  if (!exchange())
    return last_failure_;
  // An error means that something else than a string is there.
  for (std::size_t i = 0; i < xs.size(); ++i)
    if (replies_[i].is(reply_kind::text))
      result[i] = replies_[i].text;
  return result;
}

expected<void> redis_store::keep_selected(const selector& what, version_t up_to,
                                          std::int64_t now_ms, keys& xs) {
  if (what.what != selector::kind::tag) {
    std::erase_if(xs,
                  [&](const std::string& x) { return !what.matches(x, {}); });
    return {};
  }
  auto heads = read_heads(xs, last_tag_byte);
  if (!heads)
    return heads.error();
  keys selected;
  keys unclear;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    auto head = codec::peek((*heads)[i]);
    if (!head || !head->tagged || head->version > up_to)
      continue;
    auto tags = codec::peek_tags((*heads)[i]);
    if (tags.empty())
      unclear.push_back(xs[i]);
    else if (what.matches(xs[i], tags))
      selected.push_back(xs[i]);
  }
  // Tags that are longer than what was read.
  auto records = fetch(unclear, now_ms);
  if (last_failure_)
    return last_failure_;
  for (std::size_t i = 0; i < unclear.size(); ++i)
    if (what.matches(unclear[i], records[i].data.tags))
      selected.push_back(unclear[i]);
  xs = std::move(selected);
  return {};
}

} // namespace terrace
