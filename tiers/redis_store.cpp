// Operations on keys. Those that walk are in redis_walk.cpp, and what both rest
// on is in redis_exchange.cpp.

#include "tiers/redis_store.hpp"

#include "tiers/redis_change.hpp"
#include "tiers/redis_script.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <new>

namespace terrace {

namespace {

using reply_kind = redis_reply::kind;

/// A script call takes no further change once it holds this much, and a
/// pipeline no further call once it holds eight times this much.
constexpr std::size_t bytes_per_command = 1 << 20;

/// Redis refuses expiries that overflow; a century is never in anyone's way.
constexpr std::int64_t longest_life_ms = 100ll * 365 * 24 * 3600 * 1000;

std::string hex_of(version_t x) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016" PRIx64, x);
  return text;
}

/// As the script reads it.
std::string condition_of(const guarded_change& x) {
  if (x.seen != 0)
    return '=' + hex_of(x.seen);
  return '-' + hex_of(x.hidden) + (x.elsewhere != 0 ? hex_of(x.elsewhere) : "");
}

/// Orders what has a place by that.
struct by_place {
  template <class T>
  bool operator()(const T& x, const T& y) const noexcept {
    return x.place < y.place;
  }
};

/// The first of `xs` that can be together in a command: those of one place, at
/// most `limit`.
template <class T>
std::span<T> first_of_place(std::span<T> xs, std::size_t limit) noexcept {
  std::size_t n = 1;
  while (n < xs.size() && n < limit && xs[n].place == xs[0].place)
    ++n;
  return xs.first(n);
}

} // namespace

// -- constructors -------------------------------------------------------------

redis_store::redis_store(const redis_options& opts,
                         std::shared_ptr<redis_topology> topology,
                         std::shared_ptr<codec> coder,
                         std::shared_ptr<redis_figures> figures,
                         std::string client_name,
                         std::shared_ptr<redis_announcer> announcer)
  : opts_(opts),
    codec_(std::move(coder)),
    figures_(std::move(figures)),
    names_(opts.prefix),
    router_(opts, std::move(topology), figures_, std::move(client_name)),
    announcer_(std::move(announcer)),
    log_name_(names_.own_name(redis_log_name)),
    fences_name_(announcer_ && opts.mode != "cluster"
                   ? names_.own_name(redis_fences_name)
                   : "") {
  opts_.max_batch = std::max(opts_.max_batch, 1u);
}

redis_store::~redis_store() = default;

// -- looking up ---------------------------------------------------------------

lookups redis_store::fetch(std::span<const std::string> keys,
                           std::int64_t now_ms) {
  last_failure_ = {};
  const auto open = lookup::failed(errc::none);
  lookups result(keys.size(), open);
  try {
    std::span<lookup> out{result};
    for (std::size_t i = 0; i < keys.size() && goes_on();) {
      auto n = std::min<std::size_t>(keys.size() - i, opts_.max_batch);
      fetch_part(keys.subspan(i, n), now_ms, out.subspan(i, n));
      i += n;
    }
  } catch (const std::bad_alloc&) {
    fail_out_of_memory();
  }
  if (last_failure_)
    for (auto& x : result)
      if (x.what == open.what && x.code == open.code)
        x.code = last_failure_.code;
  return result;
}

void redis_store::fetch_part(std::span<const std::string> keys,
                             std::int64_t now_ms, std::span<lookup> out) {
  unread_.clear();
  router_.clear();
  order_.resize(keys.size());
  for (std::uint32_t i = 0; i < keys.size(); ++i)
    order_[i] = {
      i, router_.undivided() ? 0 : router_.place_of(names_.name_of(keys[i]))};
  // Keys of one place share a command.
  const auto limit = router_.keys_per_command();
  if (router_.is_sharded())
    std::stable_sort(order_.begin(), order_.end(), by_place{});
  std::vector<std::size_t> sizes;
  for (std::span left{order_}; !left.empty();) {
    auto part = first_of_place(left, limit);
    left = left.subspan(part.size());
    sizes.push_back(part.size());
    auto& to = router_.to_place(part.front().place);
    to.begin(part.size() + 1);
    append_redis_argument(to.bytes, "MGET");
    for (auto& x : part)
      append_redis_argument(to.bytes, names_.name_of(keys[x.index]));
  }
  if (!exchange() && !goes_on())
    return;
  auto next = order_.begin();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    auto* values = answer(i, reply_kind::array, "MGET", sizes[i]);
    if (!values && !goes_on())
      return;
    for (std::size_t j = 0; j < sizes[i]; ++j) {
      auto at = next++->index;
      if (!values) {
        out[at] = lookup::failed(last_failure_.code);
        continue;
      }
      auto& value = values->elements[j];
      if (!value.is(reply_kind::text))
        out[at] = lookup::missed();
      else if (auto id = codec_->missing_dictionary(value.text))
        unread_.push_back({at, id, std::string{value.text}});
      else
        out[at] = read_record(keys[at], value.text, now_ms);
    }
  }
  read_unread(keys, now_ms, out);
}

lookup redis_store::read_record(std::string_view key, std::string_view bytes,
                                std::int64_t now_ms) const {
  auto data = codec_->decode(key, bytes);
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
  auto outcomes = remove_each(xs, now_ms);
  remove_report result{std::vector<bool>(xs.size()), last_failure_};
  for (std::size_t i = 0; i < xs.size(); ++i)
    result.existed[i] = outcomes[i] == remove_outcome::existed;
  return result;
}

std::vector<redis_store::remove_outcome>
redis_store::remove_each(std::span<const removal> xs, std::int64_t now_ms) {
  std::vector<change> changes;
  changes.reserve(xs.size());
  for (auto& x : xs)
    changes.push_back({&x.key, nullptr, x.version});
  std::vector<remove_outcome> result(xs.size(), remove_outcome::absent);
  auto outcomes = run(changes, false, now_ms);
  for (std::size_t i = 0; i < xs.size(); ++i)
    if (outcomes[i] == 'd')
      result[i] = remove_outcome::existed;
    else if (outcomes[i] == 'f')
      result[i] = remove_outcome::failed;
  return result;
}

std::vector<redis_store::swap_outcome>
redis_store::swap_each(std::span<const guarded_change> xs,
                       std::int64_t now_ms) {
  std::vector<change> changes;
  changes.reserve(xs.size());
  for (auto& x : xs) {
    auto& [key, data, cost_us] = x.change;
    const bool fits = !x.erases && data.value.size() <= opts_.max_value_size
                      && !data.expired(now_ms);
    changes.push_back({&key, fits ? &data : nullptr, data.version});
    changes.back().guard = &x;
  }
  std::vector<swap_outcome> result;
  for (auto x : run(changes, false, now_ms))
    result.push_back(x == 'f'   ? swap_outcome::failed
                     : x == 'r' ? swap_outcome::lost
                                : swap_outcome::made);
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

std::string redis_store::run(std::span<change> xs, bool if_absent,
                             std::int64_t now_ms) {
  last_failure_ = {};
  std::string result(xs.size(), 'f');
  const auto all = xs;
  try {
    auto writes = [](const change& x) { return x.data != nullptr; };
    if (std::any_of(xs.begin(), xs.end(), writes) && !keep_dictionaries(now_ms))
      return result;
    for (std::size_t i = 0; i < xs.size(); ++i) {
      xs[i].index = i;
      if (!router_.undivided())
        xs[i].place = router_.place_of(names_.name_of(*xs[i].key));
    }
    std::string done;
    while (!xs.empty() && goes_on()) {
      auto part = xs.first(std::min<std::size_t>(xs.size(), opts_.max_batch));
      xs = xs.subspan(part.size());
      // Changes of one place share a command; those of a key stay in order.
      if (router_.is_sharded())
        std::stable_sort(part.begin(), part.end(), by_place{});
      done.clear();
      while (done.size() < part.size() && goes_on())
        run_part(part.subspan(done.size()), if_absent, now_ms, done);
      for (std::size_t i = 0; i < done.size(); ++i)
        result[part[i].index] = done[i];
    }
    announce_apart(all, if_absent, result);
  } catch (const std::bad_alloc&) {
    fail_out_of_memory();
  }
  return result;
}

void redis_store::run_part(std::span<const change> xs, bool if_absent,
                           std::int64_t now_ms, std::string& out) {
  if (script_.empty() && !load_script()) {
    out.append(xs.size(), 'f');
    return;
  }
  auto sizes = encode(xs, if_absent, now_ms);
  if (!exchange() && !goes_on())
    return;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    auto* outcomes = answer(i, reply_kind::text, "EVALSHA", sizes[i]);
    if (outcomes
        && outcomes->text.find_first_not_of("srdn") != std::string_view::npos) {
      fail({errc::protocol_violation, "unexpected outcome of a change"});
      outcomes = nullptr;
    }
    if (!outcomes && !goes_on())
      return;
    if (outcomes)
      out += outcomes->text;
    else
      out.append(sizes[i], 'f');
  }
}

bool redis_store::load_script() {
  // Of several servers, any will do: the others are given the script when they
  // miss it.
  auto before = last_failure_;
  router_.clear();
  to_all({"SCRIPT", "LOAD", redis_script});
  exchange();
  for (std::size_t i = 0; i < replies_.size(); ++i)
    if (auto* name = answer(i, reply_kind::text, "SCRIPT LOAD"))
      script_ = name->text;
  if (script_.empty())
    return false;
  last_failure_ = std::move(before);
  return true;
}

std::vector<std::size_t> redis_store::encode(std::span<const change> xs,
                                             bool if_absent,
                                             std::int64_t now_ms) {
  std::vector<std::size_t> sizes;
  std::string names;
  std::string arguments;
  std::size_t bytes = 0;
  router_.clear();
  while (!xs.empty() && bytes < 8 * bytes_per_command) {
    names.clear();
    arguments.clear();
    std::size_t n = 0;
    // The condition is that of the command.
    auto* guard = xs.front().guard;
    for (auto& x : first_of_place(xs, guard ? 1 : router_.keys_per_command())) {
      append_redis_argument(names, names_.name_of(*x.key));
      append_change(x, now_ms, arguments);
      ++n;
      if (arguments.size() >= bytes_per_command)
        break;
    }
    bytes += names.size() + arguments.size();
    auto& pipeline = router_.to_place(xs.front().place);
    auto& out = pipeline.bytes;
    pipeline.begin(3 + redis_script_settings + 3 * n);
    append_redis_argument(out, "EVALSHA");
    append_redis_argument(out, script_);
    append_redis_argument(out, std::to_string(n));
    out += names;
    append_settings(guard       ? condition_of(*guard)
                    : if_absent ? "1"
                                : "0",
                    now_ms, event_of(xs.first(n), if_absent), {}, out);
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

} // namespace terrace
