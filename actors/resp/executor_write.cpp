// Commands that change keys.

#include "actors/resp/executor.hpp"
#include "actors/resp/words.hpp"

namespace terrace::resp {

// -- queueing -----------------------------------------------------------------

std::string executor::oversize(std::string_view key,
                               std::string_view value) const {
  auto text = [](std::string_view what, std::uint64_t limit) {
    return "ERR " + std::string{what} + " is larger than the limit of "
           + std::to_string(limit) + " bytes";
  };
  if (key.size() > opts_.cache.max_key_size)
    return text("key", opts_.cache.max_key_size);
  if (value.size() > opts_.cache.max_value_size)
    return text("value", opts_.cache.max_value_size);
  return {};
}

void executor::queue(context& c, std::uint64_t slot, std::uint32_t index,
                     std::uint64_t hash, mutation x) {
  auto shard = view_.shard_of(hash);
  mark(shard);
  c.s.note_write(hash);
  auto bytes = x.key.size() + x.value.size();
  c.s.bytes_pending += bytes;
  queued_bytes_ += bytes;
  shards_[shard].apply(std::move(x), {c.s.info->fd, index, c.s.info->id, slot,
                                      static_cast<std::uint32_t>(bytes)});
}

verdict executor::change(context& c, mutation x, shape what) {
  if (!c.s.may_write())
    return verdict::wait;
  if (auto why = oversize(c.arg(1), x.value.view()); !why.empty())
    return error(c, why);
  if (queued_bytes_ > max_queued_bytes)
    return error(c, error_text({errc::overloaded, {}}));
  x.key = qualify_in_place(c.arg(1), c.s.tenant);
  queue(c, c.s.open(what, 1), 0, c.req.hash, std::move(x));
  return verdict::done;
}

// -- values -------------------------------------------------------------------

verdict executor::set(context& c) {
  if (!c.s.may_write())
    return verdict::wait;
  set_options opts;
  if (auto why = read_set_options(c.req.args.subspan(3), c.now_ms, opts);
      !why.empty())
    return error(c, why);
  mutation x;
  x.when = opts.when;
  x.want_old = opts.get;
  x.keep_expiry = opts.keep_ttl;
  x.expires_ms = opts.expires_ms;
  x.value = blob::copy(c.arg(2));
  auto what = opts.get                                   ? shape::old_value
              : opts.when == mutation::condition::always ? shape::ok
                                                         : shape::ok_or_null;
  return change(c, std::move(x), what);
}

verdict executor::set_with_expiry(context& c, time_unit unit) {
  mutation x;
  if (auto why = read_deadline(c.arg(2), unit, true, c.now_ms, c.req.what->name,
                               x.expires_ms);
      !why.empty())
    return error(c, why);
  x.value = blob::copy(c.arg(3));
  return change(c, std::move(x), shape::ok);
}

verdict executor::set_plain(context& c, shape what) {
  mutation x;
  x.value = blob::copy(c.arg(2));
  if (what == shape::old_value)
    x.want_old = true;
  else
    x.when = mutation::condition::if_absent;
  return change(c, std::move(x), what);
}

verdict executor::mset(context& c) {
  if (c.size() % 2 == 0)
    return wrong_arity(c, *c.req.what);
  if (!c.s.may_write())
    return verdict::wait;
  for (std::size_t i = 1; i < c.size(); i += 2)
    if (auto why = oversize(c.arg(i), c.arg(i + 1)); !why.empty())
      return error(c, why);
  if (queued_bytes_ > max_queued_bytes)
    return error(c, error_text({errc::overloaded, {}}));
  auto n = (c.size() - 1) / 2;
  auto slot = c.s.open(shape::ok, static_cast<std::uint32_t>(n));
  for (std::size_t i = 0; i < n; ++i) {
    mutation x;
    x.key = qualify_in_place(c.arg(2 * i + 1), c.s.tenant);
    x.value = blob::copy(c.arg(2 * i + 2));
    auto hash = view_.hash(x.key);
    queue(c, slot, static_cast<std::uint32_t>(i), hash, std::move(x));
  }
  return verdict::done;
}

verdict executor::erase(context& c, shape what) {
  if (!c.s.may_write())
    return verdict::wait;
  if (queued_bytes_ > max_queued_bytes)
    return error(c, error_text({errc::overloaded, {}}));
  auto keys = c.req.args.subspan(1);
  auto slot = c.s.open(what, static_cast<std::uint32_t>(keys.size()));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    mutation x;
    x.what = mutation::op::erase;
    x.want_old = what == shape::old_value;
    x.key = qualify_in_place(keys[i], c.s.tenant);
    auto hash = view_.hash(x.key);
    queue(c, slot, static_cast<std::uint32_t>(i), hash, std::move(x));
  }
  return verdict::done;
}

// -- expiry -------------------------------------------------------------------

verdict executor::getex(context& c) {
  getex_options opts;
  if (auto why = read_getex_options(c.req.args.subspan(2), c.now_ms, opts);
      !why.empty())
    return error(c, why);
  if (!opts.persist && !opts.has_expiry)
    return read_one(c, shape::value);
  mutation x;
  x.what = mutation::op::expire;
  x.want_old = true;
  x.expires_ms = opts.expires_ms;
  return change(c, std::move(x), shape::old_value);
}

verdict executor::expire(context& c, time_unit unit) {
  mutation x;
  x.what = mutation::op::expire;
  if (auto why = read_expire_options(c.req.args.subspan(3), x.when);
      !why.empty())
    return error(c, why);
  if (auto why = read_deadline(c.arg(2), unit, false, c.now_ms,
                               c.req.what->name, x.expires_ms);
      !why.empty())
    return error(c, why);
  return change(c, std::move(x), shape::applied);
}

verdict executor::persist(context& c) {
  mutation x;
  x.what = mutation::op::expire;
  x.when = mutation::condition::if_present;
  return change(c, std::move(x), shape::applied);
}

// -- Terrace's own ------------------------------------------------------------

verdict executor::cache_set(context& c) {
  mutation x;
  bool has_tags = false;
  for (std::size_t i = 3; i < c.size();) {
    auto option = c.arg(i);
    const bool more = i + 1 < c.size();
    if ((same_word(option, "ex") || same_word(option, "px")) && more
        && x.expires_ms == 0) {
      if (auto why = read_deadline(c.arg(i + 1), {same_word(option, "ex")},
                                   true, c.now_ms, c.req.what->name,
                                   x.expires_ms);
          !why.empty())
        return error(c, why);
      i += 2;
    } else if (same_word(option, "tags") && more && !has_tags) {
      auto n = parse_integer(c.arg(i + 1));
      if (!n || *n < 1 || static_cast<std::uint64_t>(*n) > c.size() - i - 2)
        return error(c, "ERR TAGS needs the number of tags and the tags");
      auto tags = c.req.args.subspan(i + 2, static_cast<std::size_t>(*n));
      x.tags.assign(tags.begin(), tags.end());
      has_tags = true;
      i += 2 + tags.size();
    } else if (same_word(option, "tier") && more && x.tiers == 0) {
      // Names up to the next option.
      auto tier_at = [&](std::size_t j) {
        for (auto kind : {tier_kind::memory, tier_kind::redis, tier_kind::disk})
          if (j < c.size() && same_word(c.arg(j), to_string(kind)))
            return bit(kind);
        return tier_set{0};
      };
      for (++i; tier_at(i) != 0; ++i)
        x.tiers = static_cast<tier_set>(x.tiers | tier_at(i));
      if (x.tiers == 0)
        return error(c, "ERR TIER needs one or more of memory, redis, disk");
    } else {
      return error(c, syntax_error_text);
    }
  }
  x.value = blob::copy(c.arg(2));
  return change(c, std::move(x), shape::ok);
}

} // namespace terrace::resp
