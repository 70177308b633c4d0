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
  for (;;) {
    auto page = purge_step(what, up_to, cursor, walk_step, now_ms);
    if (!page)
      return page.error();
    result += page->removed;
    if (page->done)
      return result;
    cursor = page->next;
  }
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
    pipeline_.clear();
    pipeline_.add({"DBSIZE"});
    pipeline_.add({"INFO", "memory"});
    pipeline_.add({"INFO", "stats"});
    if (!exchange())
      return;
    if (replies_[0].is(reply_kind::integer))
      out.extra["server_keys"]
        = static_cast<std::uint64_t>(replies_[0].integer);
    // A server may forbid INFO: then its answers are errors, and ignored.
    for (auto& [field, name] : wanted)
      for (auto& x : replies_)
        if (auto figure = find_figure(x.text, field))
          out.extra[name] = *figure;
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
    key_page page;
    if (what.what == selector::kind::key) {
      page.found.push_back(what.key_prefix());
    } else {
      if (cursor.empty())
        if (auto ok = raise_fence(up_to); !ok)
          return ok.error();
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
    if (page.done)
      if (auto ok = announce({{}, 0, "purge", {}, what, up_to}); !ok)
        return ok.error();
    return purge_page{*removed, std::move(page.next), page.done};
  } catch (const std::bad_alloc&) {
    return fail_out_of_memory();
  }
}

bool redis_store::is_cursor(const std::string& x) noexcept {
  std::uint64_t number = 0;
  auto* last = x.data() + x.size();
  auto [end, ec] = std::from_chars(x.data(), last, number);
  return x.empty() || (ec == std::errc{} && end == last);
}

expected<void> redis_store::ping() {
  last_failure_ = {};
  pipeline_.clear();
  pipeline_.add({"PING"});
  if (!exchange() || !answer(0, reply_kind::status, "PING"))
    return last_failure_;
  return {};
}

// -- private ------------------------------------------------------------------

expected<key_page> redis_store::scan(const selector& what,
                                     const std::string& cursor,
                                     std::size_t budget) {
  if (!is_cursor(cursor))
    return failure{errc::invalid_argument, "cursor " + cursor};
  pipeline_.clear();
  pipeline_.add({"SCAN", cursor.empty() ? "0" : cursor, "MATCH",
                 names_.pattern(what), "COUNT",
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
  result.done = next.text == "0";
  if (!result.done)
    result.next = next.text;
  return result;
}

expected<std::vector<std::string>>
redis_store::read_heads(const keys& xs, std::string_view last_byte) {
  std::vector<std::string> result(xs.size());
  if (xs.empty())
    return result;
  pipeline_.clear();
  for (auto& key : xs)
    pipeline_.add({"GETRANGE", names_.name_of(key), "0", last_byte});
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
