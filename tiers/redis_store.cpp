// Operations on keys. Those that walk are in redis_walk.cpp.

#include "tiers/redis_store.hpp"

#include "tiers/redis_script.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <new>

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

/// Keys in one MGET and changes in one script call. Other clients of the server
/// wait for the whole command; this many take a fraction of a millisecond.
constexpr std::size_t keys_per_command = 128;

/// A script call takes no further change once it holds this much, and a
/// pipeline no further call once it holds eight times this much.
constexpr std::size_t bytes_per_command = 1 << 20;

/// Arguments of the script before those of the changes.
constexpr std::size_t script_settings = 8;

/// Redis refuses expiries that overflow; a century is never in anyone's way.
constexpr std::int64_t longest_life_ms = 100ll * 365 * 24 * 3600 * 1000;

} // namespace

/// A write (`data` set) or a deletion.
struct redis_store::change {
  const std::string* key = nullptr;
  const record* data = nullptr;
  version_t version = 0;
  bool only_records = false; ///< leave what is not a record alone
};

// -- constructors -------------------------------------------------------------

redis_store::redis_store(const redis_options& opts, redis_address where,
                         std::shared_ptr<const codec> coder,
                         std::shared_ptr<redis_figures> figures,
                         std::string client_name,
                         std::shared_ptr<redis_announcer> announcer)
  : opts_(opts),
    codec_(std::move(coder)),
    figures_(std::move(figures)),
    names_(opts.prefix),
    link_(opts, std::move(where), std::move(client_name), figures_),
    announcer_(std::move(announcer)),
    log_name_(names_.own_name(redis_log_name)),
    fences_name_(announcer_ ? names_.own_name(redis_fences_name) : "") {
  opts_.max_batch = std::max(opts_.max_batch, 1u);
}

redis_store::~redis_store() = default;

// -- looking up ---------------------------------------------------------------

lookups redis_store::fetch(std::span<const std::string> keys,
                           std::int64_t now_ms) {
  last_failure_ = {};
  lookups result;
  result.reserve(keys.size());
  try {
    while (result.size() < keys.size() && !last_failure_) {
      auto n = std::min<std::size_t>(keys.size() - result.size(),
                                     opts_.max_batch);
      fetch_part(keys.subspan(result.size(), n), now_ms, result);
    }
  } catch (const std::bad_alloc&) {
    fail_out_of_memory();
  }
  result.resize(keys.size(), lookup::failed(last_failure_.code));
  return result;
}

void redis_store::fetch_part(std::span<const std::string> keys,
                             std::int64_t now_ms, lookups& out) {
  pipeline_.clear();
  for (std::size_t i = 0; i < keys.size(); i += keys_per_command) {
    auto part = keys.subspan(i, std::min(keys.size() - i, keys_per_command));
    pipeline_.begin(part.size() + 1);
    append_redis_argument(pipeline_.bytes, "MGET");
    for (auto& key : part)
      append_redis_argument(pipeline_.bytes, names_.name_of(key));
  }
  if (!exchange())
    return;
  for (std::size_t i = 0; i < replies_.size(); ++i) {
    auto n = std::min(keys.size(), keys_per_command);
    auto* values = answer(i, reply_kind::array, "MGET", n);
    if (!values)
      return;
    for (std::size_t j = 0; j < n; ++j)
      out.push_back(read_record(keys[j], values->elements[j], now_ms));
    keys = keys.subspan(n);
  }
}

lookup redis_store::read_record(std::string_view key, const redis_reply& x,
                                std::int64_t now_ms) const {
  if (!x.is(reply_kind::text))
    return lookup::missed();
  auto data = codec_->decode(key, x.text);
  if (!data) {
    figures_->failed(data.error().code);
    return lookup::failed(data.error().code);
  }
  if (data->expired(now_ms))
    return lookup::missed();
  return lookup::found(*std::move(data), tier_kind::redis);
}

// -- changing -----------------------------------------------------------------

store_report redis_store::put(std::span<const entry> xs, bool if_absent,
                              std::int64_t now_ms) {
  store_report result;
  std::vector<const entry*> pointers;
  pointers.reserve(xs.size());
  for (auto& x : xs)
    pointers.push_back(&x);
  for (auto x : put_each(pointers, if_absent, now_ms)) {
    result.stored += x == put_outcome::stored;
    result.refused += x == put_outcome::refused;
    result.failed += x == put_outcome::failed;
  }
  if (result.failed > 0)
    result.why = last_failure_;
  return result;
}

std::vector<redis_store::put_outcome>
redis_store::put_each(std::span<const entry* const> xs, bool if_absent,
                      std::int64_t now_ms) {
  std::vector<put_outcome> result(xs.size(), put_outcome::refused);
  std::vector<change> changes;
  std::vector<std::size_t> places;
  changes.reserve(xs.size());
  places.reserve(xs.size());
  for (std::size_t i = 0; i < xs.size(); ++i) {
    auto& data = xs[i]->data;
    const bool fits = data.value.size() <= opts_.max_value_size
                      && !data.expired(now_ms);
    if (!fits && if_absent)
      continue;
    // What a refused entry was to replace must not outlive it.
    changes.push_back({&xs[i]->key, fits ? &data : nullptr, data.version});
    places.push_back(i);
  }
  auto outcomes = run(changes, if_absent, now_ms);
  for (std::size_t i = 0; i < places.size(); ++i)
    if (outcomes[i] == 's')
      result[places[i]] = put_outcome::stored;
    else if (outcomes[i] == 'f')
      result[places[i]] = put_outcome::failed;
  return result;
}

remove_report redis_store::remove(std::span<const removal> xs,
                                  std::int64_t now_ms) {
  std::vector<change> changes;
  changes.reserve(xs.size());
  for (auto& x : xs)
    changes.push_back({&x.key, nullptr, x.version});
  auto outcomes = run(changes, false, now_ms);
  remove_report result{std::vector<bool>(xs.size()), last_failure_};
  if (!result.why)
    for (std::size_t i = 0; i < xs.size(); ++i)
      result.existed[i] = outcomes[i] == 'd';
  return result;
}

expected<std::uint64_t> redis_store::remove_records(const keys& xs,
                                                    version_t up_to,
                                                    std::int64_t now_ms) {
  std::vector<change> changes;
  changes.reserve(xs.size());
  for (auto& x : xs)
    changes.push_back({&x, nullptr, up_to, true});
  auto outcomes = run(changes, false, now_ms);
  if (last_failure_)
    return last_failure_;
  return static_cast<std::uint64_t>(
    std::count(outcomes.begin(), outcomes.end(), 'd'));
}

std::string redis_store::run(std::span<const change> xs, bool if_absent,
                             std::int64_t now_ms) {
  last_failure_ = {};
  std::string result;
  try {
    result.reserve(xs.size());
    while (result.size() < xs.size() && !last_failure_)
      run_part(xs.subspan(result.size()), if_absent, now_ms, result);
  } catch (const std::bad_alloc&) {
    fail_out_of_memory();
  }
  result.resize(xs.size(), 'f');
  return result;
}

void redis_store::run_part(std::span<const change> xs, bool if_absent,
                           std::int64_t now_ms, std::string& out) {
  // A second round is needed when the server has lost the script, because it
  // was restarted or told SCRIPT FLUSH.
  for (int round = 0; round < 2; ++round) {
    if (script_.empty() && !load_script())
      return;
    auto sizes = encode(xs, if_absent, now_ms);
    if (!exchange())
      return;
    if (!forgot_script()) {
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        auto* outcomes = answer(i, reply_kind::text, "EVALSHA", sizes[i]);
        if (!outcomes)
          return;
        out += outcomes->text;
      }
      return;
    }
  }
  fail({errc::unavailable, "the server forgets scripts at once"});
}

bool redis_store::forgot_script() {
  if (!replies_[0].is(reply_kind::error)
      || !replies_[0].text.starts_with("NOSCRIPT"))
    return false;
  script_.clear();
  return true;
}

bool redis_store::load_script() {
  pipeline_.clear();
  pipeline_.add({"SCRIPT", "LOAD", redis_script});
  auto* name = exchange() ? answer(0, reply_kind::text, "SCRIPT LOAD")
                          : nullptr;
  if (name)
    script_ = name->text;
  return name != nullptr;
}

std::vector<std::size_t> redis_store::encode(std::span<const change> xs,
                                             bool if_absent,
                                             std::int64_t now_ms) {
  std::vector<std::size_t> sizes;
  std::string names;
  std::string arguments;
  auto& out = pipeline_.bytes;
  pipeline_.clear();
  xs = xs.first(std::min<std::size_t>(xs.size(), opts_.max_batch));
  while (!xs.empty() && out.size() < 8 * bytes_per_command) {
    names.clear();
    arguments.clear();
    std::size_t n = 0;
    while (n < xs.size() && n < keys_per_command
           && arguments.size() < bytes_per_command) {
      append_redis_argument(names, names_.name_of(*xs[n].key));
      append_change(xs[n], now_ms, arguments);
      ++n;
    }
    pipeline_.begin(3 + script_settings + 3 * n);
    append_redis_argument(out, "EVALSHA");
    append_redis_argument(out, script_);
    append_redis_argument(out, std::to_string(n));
    out += names;
    append_settings(if_absent, now_ms, event_of(xs.first(n), if_absent), {},
                    out);
    out += arguments;
    sizes.push_back(n);
    xs = xs.subspan(n);
  }
  return sizes;
}

void redis_store::append_change(const change& x, std::int64_t now_ms,
                                std::string& out) {
  record_bytes_.clear();
  if (x.data && codec_->encode(*x.key, *x.data, record_bytes_)) {
    auto life = x.data->expires_ms == 0 ? longest_life_ms
                                        : x.data->expires_ms - now_ms;
    if (opts_.max_ttl.count() > 0)
      life = std::min<std::int64_t>(life, opts_.max_ttl.count());
    const bool forever = life >= longest_life_ms;
    append_redis_argument(out, forever ? "0" : std::to_string(life));
  } else {
    // A deletion, or a record that the format cannot hold: like one too large.
    record_bytes_.assign(sizeof(version_t), '\0');
    for (std::size_t i = 0; i < sizeof(version_t); ++i)
      record_bytes_ += static_cast<char>(x.version >> (8 * i) & 0xff);
    append_redis_argument(out, x.only_records ? "-2" : "-1");
  }
  append_redis_argument(out, record_bytes_);
}

// -- announcing ---------------------------------------------------------------

void redis_store::append_settings(bool if_absent, std::int64_t now_ms,
                                  const std::string& event,
                                  const std::string& purge, std::string& out) {
  append_redis_argument(out, std::to_string(now_ms));
  append_redis_argument(out, if_absent ? "1" : "0");
  append_redis_argument(out, event);
  append_redis_argument(out, announcer_ ? announcer_->channel : "");
  append_redis_argument(out, log_name_);
  append_redis_argument(out, std::to_string(announcer_ ? announcer_->log_length
                                                       : 0));
  append_redis_argument(out, fences_name_);
  append_redis_argument(out, purge);
}

std::string redis_store::event_of(std::span<const change> xs, bool if_absent) {
  if (!announcer_ || if_absent || xs.front().only_records)
    return {};
  invalidation_event result;
  result.reason = "change";
  result.keys.reserve(xs.size());
  for (auto& x : xs)
    result.keys.push_back({*x.key, x.version});
  return sign(std::move(result));
}

std::string redis_store::sign(invalidation_event x) {
  x.node = announcer_->node;
  x.seq = announcer_->seq.fetch_add(1, std::memory_order_relaxed) + 1;
  return to_json(x);
}

expected<void> redis_store::announce(invalidation_event x) {
  return announcer_ ? run_bare(sign(std::move(x)), {}) : expected<void>{};
}

expected<void> redis_store::raise_fence(version_t up_to) {
  char version[17];
  std::snprintf(version, sizeof(version), "%016" PRIx64, up_to);
  return announcer_ ? run_bare({}, version) : expected<void>{};
}

expected<void> redis_store::run_bare(const std::string& event,
                                     const std::string& purge) {
  last_failure_ = {};
  for (int round = 0; round < 2; ++round) {
    if (script_.empty() && !load_script())
      return last_failure_;
    pipeline_.clear();
    pipeline_.begin(3 + script_settings);
    for (auto text : {std::string_view{"EVALSHA"}, std::string_view{script_},
                      std::string_view{"0"}})
      append_redis_argument(pipeline_.bytes, text);
    append_settings(false, 0, event, purge, pipeline_.bytes);
    if (!exchange())
      return last_failure_;
    if (!forgot_script())
      return answer(0, reply_kind::text, "EVALSHA") ? failure{} : last_failure_;
  }
  return fail({errc::unavailable, "the server forgets scripts at once"});
}

expected<void> redis_store::publish(node_beat x) {
  last_failure_ = {};
  if (!announcer_)
    return {};
  x.seq = announcer_->seq.load(std::memory_order_relaxed);
  pipeline_.clear();
  pipeline_.add({"PUBLISH", announcer_->channel, to_json(x)});
  if (!exchange() || !answer(0, reply_kind::integer, "PUBLISH"))
    return last_failure_;
  return {};
}

// -- exchanging ---------------------------------------------------------------

bool redis_store::exchange() {
  if (link_.exchange(pipeline_, replies_))
    return true;
  fail(link_.why());
  return false;
}

const redis_reply* redis_store::answer(std::size_t i, reply_kind wanted,
                                       std::string_view command,
                                       std::optional<std::size_t> size) {
  auto& x = replies_[i];
  if (x.is(wanted)
      && (!size
          || *size
               == (x.is(reply_kind::array) ? x.elements.size()
                                           : x.text.size())))
    return &x;
  if (x.is(reply_kind::error))
    fail(translate_redis_error(x.text));
  else
    fail({errc::protocol_violation,
          "unexpected reply to " + std::string{command}});
  return nullptr;
}

failure redis_store::fail(failure why) {
  figures_->failed(why.code);
  if (why.code == errc::protocol_violation)
    link_.close();
  last_failure_ = std::move(why);
  return last_failure_;
}

failure redis_store::fail_out_of_memory() {
  // Part of the replies may be unread.
  link_.close();
  return fail({errc::no_space, "no memory for a batch"});
}

} // namespace terrace
