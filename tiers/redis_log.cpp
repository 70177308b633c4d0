#include "tiers/redis_log.hpp"

#include "tiers/codec.hpp"

#include <charconv>
#include <utility>

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

/// Events read at once.
constexpr std::string_view page_size = "1000";
constexpr std::size_t page_events = 1000;

constexpr std::string_view event_field = "event";

/// Where Redis reports changes.
constexpr std::string_view tracking_channel = "__redis__:invalidate";

/// Last byte of what `codec::peek` needs.
constexpr std::string_view last_header_byte = "31";

/// The value behind `name` in a list of names and values.
const redis_reply* find(const redis_reply& of, std::string_view name) {
  for (std::size_t i = 0; i + 1 < of.elements.size(); i += 2)
    if (of.elements[i].text == name)
      return &of.elements[i + 1];
  return nullptr;
}

/// The id of an entry as it is listed: a pair of id and fields.
std::optional<log_place> place_of(const redis_reply* entry) {
  if (!entry || entry->elements.size() != 2)
    return std::nullopt;
  return parse_log_place(entry->elements[0].text);
}

} // namespace

std::string to_string(const log_place& x) {
  return std::to_string(x.ms) + '-' + std::to_string(x.n);
}

std::optional<log_place> parse_log_place(std::string_view x) {
  log_place result;
  auto* last = x.data() + x.size();
  auto [dash, bad] = std::from_chars(x.data(), last, result.ms);
  if (bad != std::errc{} || dash == last || *dash != '-')
    return std::nullopt;
  auto [end, worse] = std::from_chars(dash + 1, last, result.n);
  if (worse != std::errc{} || end != last)
    return std::nullopt;
  return result;
}

redis_log::redis_log(const redis_options& opts,
                     std::shared_ptr<redis_topology> topology,
                     std::string channel, bool track,
                     std::shared_ptr<redis_figures> figures)
  : channel_(std::move(channel)),
    track_(track),
    names_(opts.prefix),
    log_name_(redis_keys{opts.prefix}.own_name(redis_log_name)),
    figures_(std::move(figures)),
    opts_(opts),
    router_(opts, std::move(topology), figures_, "terrace-log") {
  // nop
}

expected<bool> redis_log::subscribe() {
  if (channel_link_)
    return false;
  router_.clear();
  auto where = router_.home_of(log_name_);
  if (!where)
    return fail({errc::unavailable, "no server is known that has the log"});
  channel_link_ = std::make_unique<redis_connection>(
    opts_, *std::move(where), "terrace-subscriber", figures_);
  if (track_)
    if (auto ok = track(); !ok)
      return ok.error();
  redis_pipeline hello;
  hello.add({"SUBSCRIBE", channel_});
  auto x = tell(hello);
  if (!x)
    return x.error();
  if (!x->is(reply_kind::array) || x->elements.size() != 3)
    return fail({errc::protocol_violation, "unexpected reply to SUBSCRIBE"});
  return true;
}

expected<redis_reply> redis_log::tell(const redis_pipeline& x) {
  if (!channel_link_->exchange(x, replies_))
    return fail(channel_link_->why());
  for (auto& reply : replies_)
    if (reply.is(reply_kind::error))
      return fail(translate_redis_error(reply.text));
  return replies_.front();
}

/// The connection is its own target: under RESP2 reports come as messages.
expected<void> redis_log::track() {
  redis_pipeline who;
  who.add({"CLIENT", "ID"});
  auto id = tell(who);
  if (!id)
    return id.error();
  if (!id->is(reply_kind::integer))
    return fail({errc::protocol_violation, "unexpected reply to CLIENT ID"});
  redis_pipeline hello;
  // Names of entries go on with a tenant, others of ours with a letter.
  hello.begin(6 + 2 * 10);
  for (auto& text : {std::string{"CLIENT"}, std::string{"TRACKING"},
                     std::string{"ON"}, std::string{"REDIRECT"},
                     std::to_string(id->integer), std::string{"BCAST"}})
    append_redis_argument(hello.bytes, text);
  for (char digit = '0'; digit <= '9'; ++digit) {
    append_redis_argument(hello.bytes, "PREFIX");
    append_redis_argument(hello.bytes, names_.own_name({&digit, 1}));
  }
  hello.add({"SUBSCRIBE", tracking_channel});
  auto x = tell(hello);
  if (!x)
    return x.error();
  return {};
}

expected<std::vector<version_t>> redis_log::versions_of(const keys& xs,
                                                        std::int64_t now_ms) {
  std::vector<version_t> result(xs.size());
  router_.clear();
  for (auto& key : xs) {
    auto& name = names_.name_of(key);
    router_.to_place(router_.place_of(name))
      .add({"GETRANGE", name, "0", last_header_byte});
  }
  if (!router_.exchange(replies_))
    return fail(router_.why());
  for (std::size_t i = 0; i < xs.size(); ++i) {
    // An error means that something else than a string is there.
    if (!replies_[i].is(reply_kind::text))
      continue;
    auto head = codec::peek(replies_[i].text);
    if (head && (head->expires_ms == 0 || head->expires_ms > now_ms))
      result[i] = head->version;
  }
  return result;
}

expected<std::optional<redis_log::message>>
redis_log::receive(milliseconds limit) {
  using arrival = redis_connection::arrival;
  redis_reply x;
  switch (channel_link_->await(limit, x)) {
    case arrival::failed:
      return fail(channel_link_->why());
    case arrival::nothing:
      return std::optional<message>{};
    case arrival::reply:
      break;
  }
  if (!x.is(reply_kind::array) || x.elements.size() != 3
      || x.elements[0].text != "message")
    return fail({errc::protocol_violation, "not a message of a channel"});
  message result;
  auto& payload = x.elements[2];
  if (x.elements[1].text != tracking_channel) {
    result.text = payload.text;
  } else if (payload.is(reply_kind::array)) {
    std::string key;
    for (auto& name : payload.elements)
      if (names_.key_of(name.text, key))
        result.changed.push_back(key);
  } else {
    result.everything = true; // the database was flushed
  }
  return std::optional{std::move(result)};
}

expected<log_place> redis_log::append(const std::string& event) {
  auto* id = ask({"XADD", log_name_, "*", event_field, event},
                 reply_kind::text);
  if (!id)
    return why_;
  if (auto place = parse_log_place(id->text))
    return *place;
  return fail({errc::protocol_violation, "unexpected reply to XADD"});
}

expected<redis_log::reach> redis_log::reach_of(const log_place& place) {
  auto* about = ask({"XINFO", "STREAM", log_name_}, reply_kind::array);
  if (!about) {
    // No such key: it was deleted, evicted, or the server is a new one.
    if (why_.code == errc::protocol_violation
        && why_.detail.find("no such key") != std::string::npos)
      return reach::fresh;
    return why_;
  }
  // Servers before 7.0 do not tell what they have deleted.
  auto* field = find(*about, "max-deleted-entry-id");
  auto deleted = field ? parse_log_place(field->text) : std::nullopt;
  auto first = place_of(find(*about, "first-entry"));
  if (first && *first <= place)
    return !deleted || *deleted <= place ? reach::whole : reach::trimmed;
  // Nothing as old as `place` is left: fine only if it was the last one that
  // was taken out.
  if (deleted && *deleted == log_place{})
    return reach::fresh;
  return deleted && *deleted == place ? reach::whole : reach::trimmed;
}

expected<redis_log::page> redis_log::read_after(const log_place& place) {
  auto from = "(" + to_string(place);
  auto* entries = ask({"XRANGE", log_name_, from, "+", "COUNT", page_size},
                      reply_kind::array);
  if (!entries)
    return why_;
  page result;
  result.last = place;
  result.done = entries->elements.size() < page_events;
  for (auto& x : entries->elements) {
    auto at = place_of(&x);
    if (!at)
      return fail({errc::protocol_violation, "unexpected reply to XRANGE"});
    result.last = *at;
    if (auto* event = find(x.elements[1], event_field))
      result.events.emplace_back(event->text);
  }
  return result;
}

const redis_reply*
redis_log::ask(std::initializer_list<std::string_view> command,
               reply_kind wanted) {
  router_.clear();
  router_.to_place(router_.place_of(log_name_)).add(command);
  if (!router_.exchange(replies_)) {
    fail(router_.why());
    return nullptr;
  }
  auto& x = replies_.front();
  if (x.is(wanted))
    return &x;
  if (x.is(reply_kind::error))
    why_ = translate_redis_error(x.text);
  else
    fail({errc::protocol_violation, "unexpected reply about the log"});
  return nullptr;
}

failure redis_log::fail(failure why) {
  figures_->failed(why.code);
  channel_link_.reset();
  why_ = std::move(why);
  return why_;
}

} // namespace terrace
